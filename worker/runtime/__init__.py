"""The shell: it fetches what the engine needs, does what the engine says, and decides nothing about campaigns."""
