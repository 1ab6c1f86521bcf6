"""A parser for the part of CEL that conditions need: a Pratt parser of one page.

1. Literals, names, `a.b`, `a["b"]`, lists, == != < <= > >= in, && || !, parentheses, the functions of `expressions`.
2. What CEL has beyond that (arithmetic, ternary, macros) is refused with its place.
3. Bounded in length and depth, so that no text can exhaust the stack.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from worker.engine.expressions import METHODS, All, AnyOf, Call, Compare, Index, ListOf, Literal, Name, Node, Not

_LONGEST: Final = 2_000
_DEEPEST: Final = 40
_CHAIN: Final = 20
"""Members and calls in a row: `a.b.c()` has two."""

_TOKEN: Final = re.compile(
    r"""\s*(?:
      (?P<number>\d{1,18}(?:\.\d{1,18})?(?![\w.]))
    | (?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    | (?P<name>[A-Za-z_]\w*)
    | (?P<sign>==|!=|<=|>=|&&|\|\||[<>!()\[\],.-])
    | (?P<end>\Z)
    )""",
    re.VERBOSE | re.ASCII,
)
_ESCAPE: Final = re.compile(r"\\(.)")
_ESCAPED: Final = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'"}
_WORDS: Final = {"true": True, "false": False, "null": None}
_RELATIONS: Final = frozenset({"==", "!=", "<", "<=", ">", ">=", "in"})


class ConditionError(ValueError):
    """A condition that cannot be compiled; the text says what is wrong and at which character, from 1."""


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


def parse(source: str) -> Node:
    """The tree of a CEL expression. Raises ConditionError."""
    if len(source) > _LONGEST:
        raise ConditionError(f"is longer than {_LONGEST} characters")
    parser = _Parser(_tokens(source))
    node = parser.alternatives()
    if parser.token.kind != "end":
        raise parser.error(f"unexpected {parser.token.text}")
    return node


def _tokens(source: str) -> list[_Token]:
    tokens: list[_Token] = []
    position = 0
    while not tokens or tokens[-1].kind != "end":
        match = _TOKEN.match(source, position)
        if match is None or match.lastgroup is None:
            at = position + len(source[position:]) - len(source[position:].lstrip())
            raise ConditionError(f"cannot be read at character {at + 1}: {source[at : at + 10]}")
        kind = match.lastgroup
        tokens.append(_Token(kind, match[kind], match.start(kind)))
        position = match.end()
    return tokens


class _Parser:
    """Binding, loosest first: ||, &&, one comparison, !, members."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._next = 0
        self._depth = 0

    @property
    def token(self) -> _Token:
        return self._tokens[self._next]

    def error(self, message: str) -> ConditionError:
        return ConditionError(f"{message} at character {self.token.at + 1}")

    def alternatives(self) -> Node:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self.error("is nested too deeply")
        items = self._series("||", lambda: self._one_of(self._series("&&", self._comparison), All))
        self._depth -= 1
        return self._one_of(items, AnyOf)

    def _one_of(self, items: list[Node], combine: type[All] | type[AnyOf]) -> Node:
        return items[0] if len(items) == 1 else combine(tuple(items))

    def _series(self, separator: str, part: Callable[[], Node]) -> list[Node]:
        items = [part()]
        while self._take(separator):
            items.append(part())
        return items

    def _comparison(self) -> Node:
        left = self._negation()
        if self.token.text not in _RELATIONS or self.token.kind == "text":
            return left
        relation = self.token.text
        self._next += 1
        right = self._negation()
        if self.token.text in _RELATIONS and self.token.kind != "text":
            raise self.error("comparisons cannot be chained; use && between them")
        return Compare(relation, left, right)

    def _negation(self) -> Node:
        negations = 0
        while self._take("!"):
            negations += 1
        node = self._members(self._primary())
        return (Not(node) if negations == 1 else Not(Not(node))) if negations else node

    def _primary(self) -> Node:
        token = self.token
        match token.kind, token.text:
            case "end", _:
                raise self.error("is not complete")
            case "sign", "(":
                self._next += 1
                node = self.alternatives()
                self._expect(")")
            case "sign", "[":
                self._next += 1
                node = ListOf(self._list())
            case "name", ("size" | "has") as function if self._tokens[self._next + 1].text == "(":
                self._next += 2
                node = Call(function, self.alternatives())
                self._expect(")")
            case _:
                node = self._atom()
        return node

    def _atom(self) -> Node:
        minus = self._take("-")
        token = self.token
        self._next += 1
        match token.kind, token.text:
            case "number", text:
                number = float(text) if "." in text else int(text)
                return Literal(-number if minus else number)
            case "text", text if not minus:
                return Literal(_ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[0]), text[1:-1]))
            case "name", ("true" | "false" | "null") as word if not minus:
                return Literal(_WORDS[word])
            case "name", name if name != "in" and not minus:
                return Name((name,))
        self._next -= 1
        raise self.error(f"unexpected {token.text}" if token.text else "is not complete")

    def _list(self) -> tuple[Node, ...]:
        if self._take("]"):
            return ()
        items = self._series(",", self.alternatives)
        self._expect("]")
        return tuple(items)

    def _members(self, node: Node) -> Node:
        for _ in range(_CHAIN + 1):
            if self._take("."):
                node = self._member(node)
            elif self._take("["):
                node = Index(node, self.alternatives())
                self._expect("]")
            else:
                return node
        raise self.error(f"has more than {_CHAIN} members in a row")

    def _member(self, node: Node) -> Node:
        name = self.token
        if name.kind != "name":
            raise self.error("expected a name after the dot")
        self._next += 1
        if not self._take("("):
            return Name((*node.path, name.text)) if isinstance(node, Name) else Index(node, Literal(name.text))
        if name.text not in METHODS:
            self._next -= 2
            raise self.error(f"there is no function {name.text}; there are {', '.join(METHODS)}")
        argument = self.alternatives() if METHODS[name.text] else None
        self._expect(")")
        return Call(name.text, node, argument)

    def _take(self, sign: str) -> bool:
        if self.token.kind == "sign" and self.token.text == sign:
            self._next += 1
            return True
        return False

    def _expect(self, sign: str) -> None:
        if not self._take(sign):
            raise self.error(f"expected {sign}")
