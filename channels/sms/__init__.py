"""Text messages: one file per provider, and what is true of texts whoever carries them."""
