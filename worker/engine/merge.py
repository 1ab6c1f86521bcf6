"""Texts that only put values in between their words, as most do: made without the machinery of a whole language.

1. The text is the one Liquid makes, or there is none: where a value is missing, or is anything but a string or a whole
   number, Liquid says what becomes of it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from liquid import BoundTemplate, escape
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import FilteredExpression, Path
from liquid.builtin.output import OutputNode

Part = str | tuple[str, ...]
"""Words, or the name of a value as its segments."""

_AS_IT_IS: Final = str


def parts_of(template: BoundTemplate) -> tuple[Part, ...]:
    """The parts of a template in order; none where it does more than put values in."""
    parts: list[Part] = []
    for node in template.nodes:
        if isinstance(node, ContentNode):
            parts.append(node.text)
            continue
        name = _name(node.expression) if isinstance(node, OutputNode) else None
        if name is None:
            return ()
        parts.append(name)
    return tuple(parts)


def _name(expression: object) -> tuple[str, ...] | None:
    if not isinstance(expression, FilteredExpression) or expression.filters or not isinstance(expression.left, Path):
        return None
    segments = tuple(segment for segment in expression.left.path if isinstance(segment, str))
    return segments if len(segments) == len(expression.left.path) else None


def merged(parts: Iterable[Part], roots: Mapping[str, Any], *, autoescape: bool) -> str | None:
    """The text for these values; None where Liquid has to be asked."""
    try:
        return "".join(_texts(parts, roots, escape if autoescape else _AS_IT_IS))
    except LookupError:
        return None


def _texts(parts: Iterable[Part], roots: Mapping[str, Any], written: Callable[[Any], str]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, str):
            yield part
            continue
        value: Any = roots
        for segment in part:
            value = value[segment] if type(value) is dict else _ask()
        yield written(value) if type(value) in (str, int) else _ask()


def _ask() -> Any:
    raise LookupError
