"""Celery, and nothing else: doorways to the runtime. A task may be lost, doubled or late without harm."""
