"""What an adapter raises. `base` holds the two that a callback can cause.

1. An error of the caller is raised before any request; whatever happens after is a SendResult.
2. The text names the field and what to do, never a number, an address, a body or a secret.
"""

from collections.abc import Sequence

from channels.messages import Message


class ChannelError(Exception):
    """A mistake in how an adapter is used or set up. Nothing was requested."""


class InvalidSettings(ChannelError, ValueError):
    """An adapter cannot be made from these settings."""


class UnsupportedMessage(ChannelError, ValueError):
    """The adapter cannot carry the message; the text says which and why."""


def expect(messages: Sequence[Message], kind: type[Message]) -> None:
    """Check that all messages are of one kind and no attempt is in twice; raises UnsupportedMessage."""
    attempts = set()
    for position, message in enumerate(messages):
        if not isinstance(message, kind):
            raise UnsupportedMessage(f"messages[{position}]: expected {kind.__name__}, got {type(message).__name__}")
        if message.attempt_id in attempts:
            raise UnsupportedMessage(f"messages[{position}]: attempt {message.attempt_id} is already in this send")
        attempts.add(message.attempt_id)
