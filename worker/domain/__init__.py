"""Nouns. Documents people write (pydantic), and facts the system keeps (frozen dataclasses). No decisions, no I/O."""
