"""Mail: one adapter per provider, and what it needs to put many people into one request."""
