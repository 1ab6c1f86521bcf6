"""Adapters that put one message to one address through one provider, and say truthfully what became of it.

Rules of this package:
1. It knows no campaign, contact, workflow or database; it could be published alone.
2. An adapter never decides to send again. It says what is known; the caller decides.
3. Addresses, bodies and secrets never appear in a repr, a log line or an exception.
"""
