"""The command line: what an operator and an ops engineer type."""
