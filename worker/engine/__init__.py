"""Decisions, and nothing else: no clock, no I/O, no randomness. Equal arguments give equal answers."""
