"""Words that make a reply a request: stop, start again, help.

1. The whole message is the word; case, spaces and punctuation do not count. "Please stop by at nine" asks for nothing.
2. YES is no START: it is what people answer to questions. Where it lifts an opt-out the provider says so itself.

Sources: 47 CFR 64.1200(a)(10); twilio.com/docs/messaging/tutorials/advanced-opt-out; CTIA Messaging Principles 5.1.
"""

from collections.abc import Mapping
from typing import Final

from channels.results import Keyword

_WORDS: Final[Mapping[Keyword, str]] = {
    Keyword.STOP: "STOP STOPALL UNSUBSCRIBE END QUIT REVOKE OPTOUT CANCEL REMOVE ARRET ARRÊT",
    Keyword.START: "START UNSTOP",
    Keyword.HELP: "HELP INFO",
}
_KEYWORDS: Final = {word.casefold(): keyword for keyword, words in _WORDS.items() for word in words.split()}


def keyword_of(body: str) -> Keyword:
    """What a reply asks for, by its text alone."""
    return _KEYWORDS.get("".join(filter(str.isalnum, body)).casefold(), Keyword.NONE)
