"""The text of a query as luqum's tree, or what is wrong with it, where, and what to write instead.

1. The grammar is luqum's, with what it lacks: `&&`, `||` and `!`. A plus directly before a digit belongs to the number,
   as in `phone:+15551230000`; a minus does where it cannot be a NOT, as in `priority:>-5`.
2. What no index answers is refused where it stands: regular expressions, fuzzy words, proximity. So are boosts: results
   come in the order of a field.
3. A message names the place and never what was written there: it may be somebody's number.
4. Threads share nothing that changes. PLY's lexer keeps state, so each text gets a copy; its parser keeps its stacks in
   the call.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from luqum.exceptions import IllegalCharacterError, ParseSyntaxError
from luqum.parser import lexer, parser

from worker.schema.errors import BadRequest

LONGEST: Final = 2000
"""Characters of a query."""


class BadQuery(BadRequest):
    """A query cannot be read. `position`: where, in characters from 0; the message counts from 1."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(f"the query, character {position + 1}: {message}")
        self.position = position


def tree_of(text: str) -> Any:
    """Luqum's tree of a text, which must not be blank. Raises BadQuery."""
    if len(text) > LONGEST:
        raise BadQuery(f"longer than {LONGEST} characters; ask in several searches", LONGEST)
    if (place := _unstorable(text)) >= 0:
        raise BadQuery("no text has this character; leave it out", place)
    tokens = _Tokens(text)
    try:
        return parser.parse(lexer=tokens.lexer, tokenfunc=tokens.next)
    except IllegalCharacterError:
        place = tokens.lexer.lexpos
        raise BadQuery(_ILLEGAL[text[place]], place) from None
    except ParseSyntaxError:
        raise BadQuery(_UNEXPECTED[tokens.type], tokens.position) from None


def _unstorable(text: str) -> int:
    """Where a text has what no database keeps, NUL or half of a character; -1: nowhere."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return error.start
    return text.find("\0")


class _Tokens:
    """What luqum's lexer reads, as its grammar is to see it. `type` and `position` are those of the last one."""

    def __init__(self, text: str) -> None:
        self.lexer = lexer.clone()
        self.lexer.input(text)
        self.type = ""
        self.position = 0
        self._text = text

    def next(self) -> Any:
        """The next token; None at the end."""
        token = self.lexer.token()
        if token is None:
            self.type, self.position = "", len(self._text)
            return None
        if token.type in _REFUSED:
            raise BadQuery(_REFUSED[token.type], token.lexpos)
        if self._belongs_to_number(token):
            token = self._signed(token)
        if token.type == "TERM":
            self._read_signs(token)
        self.type, self.position = token.type, token.lexpos
        return token

    def _read_signs(self, token: Any) -> None:
        """Luqum takes these for words, or for the beginning of one."""
        written = token.value.value
        if written in _OPERATORS:
            token.type = _OPERATORS[written]
        elif written.startswith("!"):
            token.type = "NOT"
            token.value.value, token.value.size = "!", 1
            self.lexer.lexpos = token.lexpos + 1
        elif (quote := re.sub(r"\\.", "  ", written).find('"')) >= 0:
            raise BadQuery('a quote within a word; write a space before it, or \\" for the sign', token.lexpos + quote)

    def _belongs_to_number(self, token: Any) -> bool:
        is_sign = token.type == "PLUS" or (token.type == "MINUS" and self.type in _COMPARED)
        return is_sign and self._text[token.lexpos + 1 : token.lexpos + 2].isdecimal()

    def _signed(self, sign: Any) -> Any:
        """The number after a sign, with the sign."""
        token = self.lexer.token()
        token.lexpos = token.value.pos = sign.lexpos
        token.value.value = sign.value.value + token.value.value
        token.value.size += 1
        return token


_OPERATORS: Final[Mapping[str, str]] = {"&&": "AND_OP", "||": "OR_OP"}
_COMPARED: Final = ("LESSTHAN", "GREATERTHAN")

_REFUSED: Final[Mapping[str, str]] = {
    "REGEX": "there are no regular expressions; use the wildcards * and ?, and put a value with a / into double quotes",
    "APPROX": "there are no fuzzy or proximity searches; use the wildcards * and ?, or write \\~ for the sign",
    "BOOST": "results come in the order of a field, so nothing can weigh more; leave it out, or write \\^ for the sign",
}
_ILLEGAL: Final[Mapping[str, str]] = {
    '"': 'a quote that does not end; write the second one, or \\" for the sign',
    "'": "values are quoted with double quotes",
    "\\": "a backslash at the end of a word; write \\\\ for the sign",
    "/": "a value that begins with a / goes into double quotes",
}
"""What to do about a character that begins nothing."""
_RANGE: Final = "a range is written field:[1 TO 5], field:{1 TO *} or field:>=5"
_WORD: Final = "AND, OR and NOT stand before or between conditions; as a word, write it in lower case"
_UNEXPECTED: Final[Mapping[str, str]] = {
    "TERM": _RANGE,  # anywhere else it would be one more condition
    "PHRASE": _RANGE,
    "": "it ends too early; a value or a closing bracket is missing",
    "AND_OP": _WORD,
    "OR_OP": _WORD,
    "NOT": _WORD,
    "COLUMN": "a colon stands after the name of a field; write \\: for the sign, or put the value into double quotes",
    "LPAREN": "no bracket is expected here; write \\( for the sign, or put the value into double quotes",
    "RPAREN": "a closing bracket too early or too many; add what is missing, or write \\) for the sign",
    "LBRACKET": _RANGE,
    "RBRACKET": _RANGE,
    "TO": _RANGE,
    "LESSTHAN": _RANGE,
    "GREATERTHAN": _RANGE,
    "PLUS": "a sign stands before a condition; write \\+ for the sign itself",
    "MINUS": "a sign stands before a condition; write \\- for the sign itself",
}
"""What to do about a token that cannot follow, by its type; "" is the end."""
