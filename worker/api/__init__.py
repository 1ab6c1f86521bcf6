"""HTTP: what providers call, and what ops probe."""
