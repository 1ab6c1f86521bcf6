"""Conditions: CEL strings and NCX triples, compiled to one form.

1. Both forms mean the same here; which one was written is forgotten.
2. NCX names are known: `workitem.data` is `vars`, else `contact`; `workitem` also has `from`, `to` and `type`
   (`worker.engine.walk`).
3. Never `eval`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from worker.domain.workflow_actions import Condition as ConditionDocument
from worker.domain.workflow_actions import Triple, Triples
from worker.engine.cel import ConditionError, parse
from worker.engine.doubts import doubts
from worker.engine.expressions import All, AnyOf, Call, Compare, Index, ListOf, Literal, Name, Node, Not, holds
from worker.engine.render import Facts

__all__ = ["Condition", "ConditionError", "compile_condition"]

_QUOTED: Final = re.compile(r"""(["'])(.*)\1""", re.DOTALL)
_NUMBER: Final = re.compile(r"-?\d{1,18}(?:\.\d{1,18})?", re.ASCII)
_NAME: Final = re.compile(r"[A-Za-z_]\w*(?:\.\w+){0,19}", re.ASCII)
_WORDS: Final = {"true": True, "false": False, "null": None}


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled condition. `names` are the names it uses, each as its segments."""

    tree: Node
    names: frozenset[tuple[str, ...]]

    def holds(self, facts: Facts) -> bool:
        """Whether it is true; what nobody knows is false."""
        return holds(self.tree, facts.roots, [])

    def missing(self, facts: Facts) -> tuple[str, ...]:
        """The names it asked for and nobody knew: why it may have been false."""
        unknown: list[str] = []
        holds(self.tree, facts.roots, unknown)
        return tuple(dict.fromkeys(unknown))

    def doubts(self, facts: Facts) -> tuple[str, ...]:
        """Why it cannot be judged, if it does not hold; nothing if what is known makes it false."""
        return tuple(dict.fromkeys(doubts(self.tree, facts.roots)))


def compile_condition(document: ConditionDocument) -> Condition:
    """Compile either form. Raises ConditionError."""
    tree = parse(document) if isinstance(document, str) else _triples(document)
    return Condition(tree, frozenset(_names(tree)))


def _triples(document: Triples) -> Node:
    items = tuple(_triple(expression) for expression in document.expressions)
    match document.condition_type:
        case "NONE":
            return Literal(True)  # NCX calls it NONE where the action always runs
        case "AND":
            return All(items)
        case "OR":
            return AnyOf(items)


def _triple(triple: Triple) -> Node:
    left, right = _side(triple.left_expression), _side(triple.right_expression)
    return Call("contains", left, right) if triple.operator == "contains" else Compare(triple.operator, left, right)


def _side(value: object) -> Node:
    """A quoted text is a literal, a plain one a number, a word or a name."""
    if value is None or isinstance(value, bool | int | float):
        return Literal(value)
    text = str(value).strip().removeprefix("${").removesuffix("}").strip()
    if quoted := _QUOTED.fullmatch(text):
        return Literal(quoted[2])
    if text in _WORDS:
        return Literal(_WORDS[text])
    if _NUMBER.fullmatch(text):
        return Literal(float(text) if "." in text else int(text))
    if _NAME.fullmatch(text):
        return Name(tuple(text.split(".")))
    raise ConditionError("has a side that is neither a name nor a quoted text; put text in quotes")


def _names(node: Node) -> Iterator[tuple[str, ...]]:
    match node:
        case Name(path):
            yield path
        case Compare(_, left, right) | Index(left, right):
            yield from _names(left)
            yield from _names(right)
        case Call(_, base, argument):
            yield from _names(base)
            if argument is not None:
                yield from _names(argument)
        case Not(item):
            yield from _names(item)
        case All(items) | AnyOf(items) | ListOf(items):
            for item in items:
                yield from _names(item)
        case Literal():
            pass
