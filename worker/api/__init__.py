"""HTTP: documents for people and programs, what providers call, and what ops probe."""
