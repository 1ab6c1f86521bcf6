"""What several channels of one vendor share: settings, code tables, signatures."""
