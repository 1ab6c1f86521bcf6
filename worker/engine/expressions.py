"""The one small tree that both forms of a condition compile to, and how it is evaluated.

1. A comparison of different types is false, whatever the operator. Nothing is converted.
2. An unknown name is false, and so is every comparison with it; its name is noted. `null` may be asked for.
3. Evaluation never raises and never runs anything but this file.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, assert_never


@dataclass(frozen=True, slots=True)
class Literal:
    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Name:
    """A dotted name, root first."""

    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Index:
    base: "Node"
    key: "Node"


@dataclass(frozen=True, slots=True)
class ListOf:
    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Compare:
    operator: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Call:
    """A function or a method; `base` is what a method is called on, or the first argument."""

    function: str
    base: "Node"
    argument: "Node | None" = None


@dataclass(frozen=True, slots=True)
class Not:
    item: "Node"


@dataclass(frozen=True, slots=True)
class All:
    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    items: tuple["Node", ...]


Node = Literal | Name | Index | ListOf | Compare | Call | Not | All | AnyOf

MISSING: Final = object()
"""The value of a name nobody knows."""

METHODS: Final[Mapping[str, int]] = {
    "contains": 1,
    "startsWith": 1,
    "endsWith": 1,
    "size": 0,
    "lowerAscii": 0,
    "trim": 0,
}
"""Methods, with their number of arguments. `lowerAscii` and `trim` are CEL's string extensions."""

_COMPARISONS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ORDERED: Final = frozenset({"text", "number"})
_TO_LOWER: Final = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


def holds(node: Node, roots: Mapping[str, Any], missing: list[str]) -> bool:
    """Whether the tree is true; the names that nobody knew are added to `missing`."""
    return evaluate(node, roots, missing) is True


def evaluate(node: Node, roots: Mapping[str, Any], missing: list[str]) -> Any:
    """The value of a tree, or MISSING."""
    match node:
        case Compare():
            return _compare(node, roots, missing)
        case Name(path):
            return _look_up(path, roots, missing)
        case Literal(value):
            return value
        case All(items):
            return all(holds(item, roots, missing) for item in items)
        case AnyOf(items):
            return any(holds(item, roots, missing) for item in items)
        case Not(item):
            return not holds(item, roots, missing)
        case Call():
            return _call(node, roots, missing)
        case Index(base, key):
            return _item(evaluate(base, roots, missing), evaluate(key, roots, missing))
        case ListOf(items):
            return [evaluate(item, roots, missing) for item in items]
    assert_never(node)


def _look_up(path: tuple[str, ...], roots: Mapping[str, Any], missing: list[str]) -> Any:
    value: Any = roots
    for segment in path:
        if not isinstance(value, Mapping) or segment not in value:
            missing.append(".".join(path))
            return MISSING
        value = value[segment]
    return value


def _compare(node: Compare, roots: Mapping[str, Any], missing: list[str]) -> bool:
    left = evaluate(node.left, roots, missing)
    right = evaluate(node.right, roots, missing)
    if node.operator == "in":
        return _contains(right, left)
    if Literal(None) in (node.left, node.right) and node.operator in ("==", "!="):
        nothing = (left is None or left is MISSING) and (right is None or right is MISSING)
        return nothing == (node.operator == "==")
    kind = kind_of(left)
    if not kind or kind != kind_of(right):
        return False
    if node.operator not in ("==", "!=") and kind not in _ORDERED:
        return False
    return bool(_COMPARISONS[node.operator](left, right))


def kind_of(value: Any) -> str:
    """What a value is, for rule 1; empty for what compares with nothing."""
    if isinstance(value, str):
        return "text"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, Mapping):
        return "map"
    return "list" if isinstance(value, Sequence) else ""


def _contains(container: Any, item: Any) -> bool:
    if isinstance(container, Mapping):
        return isinstance(item, str) and item in container
    if isinstance(container, str) or not isinstance(container, Sequence):
        return False
    kind = kind_of(item)
    return bool(kind) and any(kind_of(element) == kind and element == item for element in container)


def _item(base: Any, key: Any) -> Any:
    if isinstance(base, Mapping) and isinstance(key, str):
        return base.get(key, MISSING)
    if isinstance(base, list | tuple) and isinstance(key, int) and not isinstance(key, bool):
        return base[key] if 0 <= key < len(base) else MISSING
    return MISSING


def _call(node: Call, roots: Mapping[str, Any], missing: list[str]) -> Any:
    if node.function == "has":
        return evaluate(node.base, roots, []) not in (MISSING, None)
    base = evaluate(node.base, roots, missing)
    if node.function == "size":
        return len(base) if isinstance(base, str | Mapping | Sequence) else MISSING
    if node.argument is None:
        return _text_call(node.function, base)
    return _search(node.function, base, evaluate(node.argument, roots, missing))


def _search(function: str, base: Any, argument: Any) -> bool:
    if function == "contains" and not isinstance(base, str):
        return _contains(base, argument)
    if not isinstance(base, str) or not isinstance(argument, str):
        return False
    match function:
        case "contains":
            return argument in base
        case "startsWith":
            return base.startswith(argument)
        case _:
            return base.endswith(argument)


def _text_call(function: str, base: Any) -> Any:
    if not isinstance(base, str):
        return MISSING
    return base.strip() if function == "trim" else base.translate(_TO_LOWER)
