"""Takes numbers, addresses and secrets out of text that is about to be logged.

1. A masked number keeps its last two digits, enough to tell two people apart in one conversation.
2. When in doubt it masks: a log line may lose a harmless word, never show a person.
"""

import re
from typing import Final

_SECRETS: Final = re.compile(
    r"""
    (?P<number>(?:\+|%2B)[1-9][0-9]{4,12}(?P<tail>[0-9]{2}))            # E.164, plain or in a query string
    | (?P<email>[^\s@<>"'(),:;=&?/]{1,64}(?:@|%40)[\w-]+(?:\.[\w-]+)+)
    | (?P<scheme>\b(?:Basic|Bearer)[ ]+)[\w.~+/=-]{6,}                  # an Authorization header
    | \bSG\.[\w-]{8,}\.[\w-]{8,}                                        # a SendGrid API key
    | (?P<name>\b(?:api_?key|auth_?token|token|secret|password|signature)["']?\s*[=:]\s*["']?)[^\s"'&,;]+
    | (?<![0-9A-Za-z])[0-9a-f]{32}(?![0-9A-Za-z])                       # a Twilio auth token; a SID is longer
    """,
    re.VERBOSE | re.IGNORECASE,
)


def mask(text: str) -> str:
    """The text without numbers in E.164, email addresses and tokens."""
    return _SECRETS.sub(_masked, text)


def _masked(found: re.Match[str]) -> str:
    if tail := found["tail"]:
        return f"+***{tail}"
    if found["email"]:
        return "***@***"
    return f"{found['scheme'] or found['name'] or ''}***"
