"""Why a condition that is not true is not false either: what it asked for is missing, or of another type.

1. Nothing changes what conditions mean: what nobody knows is false (`expressions`). This tells the one from the other.
2. A part that is false by what is known settles an `&&`, whatever the rest lacks. `has` and a comparison with `null`
   settle themselves: they are how a condition says that something may be missing.
3. People need not have every attribute: what a `contact` lacks is no doubt.
4. Names and types are told, never values.
"""

from collections.abc import Collection, Iterator, Mapping
from itertools import chain
from typing import Any, Final, assert_never

from worker.engine.expressions import (
    MISSING,
    All,
    AnyOf,
    Call,
    Compare,
    Index,
    ListOf,
    Literal,
    Name,
    Node,
    Not,
    evaluate,
    holds,
    kind_of,
)

_WORDS: Final = {
    "text": "text",
    "number": "a number",
    "bool": "true or false",
    "map": "an object",
    "list": "a list",
    "": "null",
}
_KNOWN: Final = frozenset(kind for kind in _WORDS if kind)

Roots = Mapping[str, Any]


def doubts(node: Node, roots: Roots) -> Iterator[str]:
    """Why a tree that does not hold cannot be judged; nothing if what is known makes it false."""
    match node:
        case All(items):
            found = [tuple(doubts(item, roots)) for item in items if not holds(item, roots, [])]
            if all(found):
                yield from chain.from_iterable(found)
        case AnyOf(items):
            for item in items:
                yield from doubts(item, roots)
        case Compare():
            yield from _of_comparison(node, roots)
        case Call():
            yield from _of_call(node, roots)
        case Name() | Index():
            yield from _needs(node, roots, {"bool"})
        case Not() | Literal() | ListOf():
            return
        case _:
            assert_never(node)


def _of_comparison(node: Compare, roots: Roots) -> Iterator[str]:
    if node.operator == "in":
        yield from _needs(node.left, roots, _KNOWN)
        yield from _needs(node.right, roots, {"list", "map"})
        return
    if Literal(None) in (node.left, node.right) and node.operator in ("==", "!="):
        return
    unknown = [*_needs(node.left, roots, _KNOWN), *_needs(node.right, roots, _KNOWN)]
    if unknown:
        yield from unknown
    elif isinstance(node.left, Literal):
        yield from _needs(node.right, roots, {kind_of(node.left.value)})
    else:
        yield from _needs(node.left, roots, {kind_of(evaluate(node.right, roots, []))})


def _of_call(node: Call, roots: Roots) -> Iterator[str]:
    if node.function == "has":
        return
    holders = {"list", "map"} if node.function == "contains" else set()
    yield from _needs(node.base, roots, {"text"} | holders)
    if node.argument is not None:
        held = kind_of(evaluate(node.base, roots, [])) in holders
        yield from _needs(node.argument, roots, _KNOWN if held else {"text"})


def _needs(node: Node, roots: Roots, kinds: Collection[str]) -> Iterator[str]:
    """What is in the way of its value being of one of these kinds."""
    value = evaluate(node, roots, [])
    if value is MISSING:
        if _root(node) != "contact":
            yield _absent(node, roots)
    elif (kind := kind_of(value)) not in kinds:
        wanted = f", not {' or '.join(_WORDS[kind] for kind in sorted(kinds))}" if kind and kinds != _KNOWN else ""
        yield f"{_named(node)} is {_WORDS[kind]}{wanted}"


def _root(node: Node) -> str:
    """Of whom or what it is a part."""
    match node:
        case Name(path):
            return path[0]
        case Index(base, _) | Call(_, base):
            return _root(base)
        case _:
            return ""


def _absent(node: Node, roots: Roots) -> str:
    """Why it has no value: a function has none of what is missing or of another type."""
    if not isinstance(node, Call):
        return f"{_named(node)} is missing"
    value = evaluate(node.base, roots, [])
    return _absent(node.base, roots) if value is MISSING else f"{_named(node.base)} is {_WORDS[kind_of(value)]}"


def _named(node: Node) -> str:
    match node:
        case Name(path):
            return ".".join(path)
        case Index(base, Literal(key)):
            return f"{_named(base)}[{key!r}]"
        case Call(function, base):
            return f"{function}({_named(base)})"
        case _:
            return "a part of it"
