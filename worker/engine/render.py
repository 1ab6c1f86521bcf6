"""Templates: Liquid, compiled once, strict about what is missing.

1. A value that is absent or null and is put out fails the whole text: nobody gets "Hi ,". `default` and `if` may ask.
2. No clock: `"now" | date` is the moment of the step, in the contact's time zone.
3. Bounded: loops, memory and output have limits; there are no ranges and no includes.
4. An error names the template's own words, never a value.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final
from zoneinfo import ZoneInfo

import orjson
from liquid import BoundTemplate, Environment, Expression, FalsyStrictUndefined, Node, RenderContext
from liquid.builtin.expressions import FilteredExpression, Path
from liquid.builtin.expressions.primitive import RangeLiteral
from liquid.builtin.output import OutputNode
from liquid.builtin.tags.echo_tag import EchoNode
from liquid.exceptions import LiquidError, ResourceLimitError, UndefinedError
from liquid.filter import with_context
from liquid.output import LimitedStringIO
from liquid.undefined import UNDEFINED, is_undefined
from liquid.utils import ReadOnlyChainMap

from worker.domain.faults import Path as Place
from worker.engine.merge import Part, merged, parts_of

_UTC: Final = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What templates and conditions can see: root names with their values, and the moment in the contact's zone."""

    roots: Mapping[str, Any] = field(repr=False)
    now: datetime
    zone: ZoneInfo = _UTC


class Kind(Enum):
    """What a text becomes, with its longest length in characters."""

    SMS = 1600
    LINE = 998
    """One line: a subject, a name, an address."""
    SPEECH = 4000
    TEXT = 100_000
    HTML = 500_000


class TemplateError(ValueError):
    """A template that cannot be compiled; the text says what and where."""


class RenderFailed(Exception):
    """A text could not be made for this contact. `name` is the missing value as the template spells it, or empty."""

    def __init__(self, message: str, name: str = "") -> None:
        self.name = name
        super().__init__(message)


class _Context(RenderContext):
    """A context without the clock of the library, in which null is as missing as absent."""

    __slots__ = ("facts",)
    facts: Facts

    def __init__(self, template: BoundTemplate, facts: Facts) -> None:
        super().__init__(template, globals=facts.roots)
        self.facts = facts
        self.scope = ReadOnlyChainMap(self.locals, self.globals, self.counters)

    def get(self, path: list[object], *, token: Any, default: object = UNDEFINED) -> object:
        found = super().get(path, token=token, default=None)
        if found is None and default is UNDEFINED:
            return self.env.undefined(str(path[0]), hint=".".join(map(str, path)), token=token)
        return default if found is None else found


class _Bounded(Environment):
    """Limits per text: loop rounds, bytes of variables, bytes put out (where `Kind` counts characters)."""

    loop_iteration_limit = 1_000
    local_namespace_limit = 500_000
    output_stream_limit = 4 * Kind.HTML.value


def _environment(*, autoescape: bool) -> Environment:
    environment = _Bounded(undefined=FalsyStrictUndefined, autoescape=autoescape)
    for tag in ("include", "render", "increment", "decrement", "tablerow"):
        del environment.tags[tag]
    environment.add_filter("date", _date)
    return environment


@with_context
def _date(value: object, pattern: object = "%Y-%m-%d", *, context: _Context) -> object:
    """`strftime` of an ISO date, an epoch (seconds or milliseconds) or "now"; what is no date stays as it is."""
    facts = context.facts
    moment: datetime | None = None
    if value in ("now", "today"):
        moment = facts.now.astimezone(facts.zone)
    elif isinstance(value, str) and not value.isdigit():
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return value
    elif isinstance(value, int | float | str) and not isinstance(value, bool):
        seconds = float(value) / (1000 if float(value) > 1e11 else 1)  # noqa: PLR2004 - the year 5138 in seconds
        moment = datetime.fromtimestamp(seconds, UTC).astimezone(facts.zone)
    return value if moment is None else moment.strftime(str(pattern))


_PLAIN: Final = _environment(autoescape=False)
_ESCAPING: Final = _environment(autoescape=True)

_MARKUP: Final = re.compile(r"\{[{%]")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_BLANK: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled text. `place` leads to it in its document.

    `names` are the global names it uses, each as its segments; `required` those that it puts out without asking before.
    """

    source: str = field(repr=False)
    kind: Kind
    place: Place = ()
    names: frozenset[tuple[str, ...]] = frozenset()
    required: frozenset[tuple[str, ...]] = frozenset()
    _spelled: frozenset[str] = field(default=frozenset(), repr=False)
    _compiled: BoundTemplate | None = field(default=None, repr=False)
    _parts: tuple[Part, ...] = field(default=(), repr=False)

    def render(self, facts: Facts) -> str:
        """The text for these facts. Raises RenderFailed."""
        if self._compiled is None:
            return self.source
        text = merged(self._parts, facts.roots, autoescape=self.kind is Kind.HTML) if self._parts else None
        if text is not None and len(text) <= self.kind.value:
            return _finished(text, self.kind)
        buffer = LimitedStringIO(limit=_Bounded.output_stream_limit)
        with self._guarded():
            self._compiled.render_with_context(_Context(self._compiled, facts), buffer)
            return _finished(buffer.getvalue(), self.kind)

    def evaluate(self, facts: Facts) -> Any:
        """The value of a template that is one output, such as a number; the text of any other. Raises RenderFailed."""
        output = self._compiled.nodes[0] if self._compiled and len(self._compiled.nodes) == 1 else None
        if self._compiled is None or not isinstance(output, OutputNode):
            return self.render(facts)
        with self._guarded():
            value = output.expression.evaluate(_Context(self._compiled, facts))
            if is_undefined(value):
                str(value)  # raises, with its name
            if isinstance(value, int | list | dict):
                orjson.dumps(value)  # raises where the value could not be kept: a number over 64 bits
        return value if isinstance(value, bool | int | float | list | dict) else self.render(facts)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Whatever goes wrong becomes RenderFailed, told in the template's own words."""
        place = ".".join(map(str, self.place))
        prefix = f"{place}: " if place else ""
        try:
            yield
        except UndefinedError as error:
            name = str(error.message)
            name = name if name in self._spelled else name.partition(".")[0] + "[…]"
            raise RenderFailed(f"{prefix}{name} has no value", name) from None
        except ResourceLimitError:
            raise RenderFailed(f"{prefix}the template loops or grows without end") from None
        except RenderFailed as error:
            raise RenderFailed(f"{prefix}{error}") from None
        except Exception:  # noqa: BLE001 - filters raise anything on odd values; only this contact's text fails
            raise RenderFailed(f"{prefix}a filter cannot work with the value it is given") from None


def compile_template(source: str, kind: Kind, place: Place = ()) -> Template:
    """Compile a text. Raises TemplateError."""
    if not _MARKUP.search(source):
        try:
            return Template(_finished(source, kind), kind, place)
        except RenderFailed as error:
            raise TemplateError(str(error)) from None
    environment = _ESCAPING if kind is Kind.HTML else _PLAIN
    try:
        compiled = environment.from_string(source)
        unknown = set(compiled.filter_names()) - set(environment.filters)
        spelled = compiled.variable_segments()
        names = compiled.global_variable_segments()
    except LiquidError as error:
        raise TemplateError(f"{error.message}{_place(error)}") from None
    except RecursionError:
        raise TemplateError("is nested too deeply") from None
    if unknown:
        raise TemplateError(f"there is no filter {min(unknown)}")
    if any(isinstance(part, RangeLiteral) for _, part in _expressions(compiled)):
        raise TemplateError("ranges like (1..9) are not supported; loop over a list")
    return Template(
        source,
        kind,
        place,
        frozenset(_leading(segments) for segments in names),
        _required(compiled),
        frozenset(".".join(map(str, segments)) for segments in spelled),
        compiled,
        parts_of(compiled),
    )


def _place(error: LiquidError) -> str:
    context = error.context()
    return f" at line {context[0]}, column {context[1] + 1}" if context else ""


def _leading(segments: Any) -> tuple[str, ...]:
    """The segments up to the first computed one."""
    names: list[str] = []
    for segment in segments:
        if not isinstance(segment, str):
            break
        names.append(segment)
    return tuple(names)


def _required(template: BoundTemplate) -> frozenset[tuple[str, ...]]:
    """What is put out as it is. Not: what has a default, and what the template asks about elsewhere."""
    put_out: set[tuple[str, ...]] = set()
    asked: set[tuple[str, ...]] = set()
    for in_output, expression in _expressions(template):
        if isinstance(expression, FilteredExpression):
            has_default = any(each.name == "default" for each in expression.filters or ())
            if isinstance(expression.left, Path) and in_output and not has_default:
                put_out.add(_leading(expression.left.path))
        elif isinstance(expression, Path) and not in_output:
            asked.add(_leading(expression.path))
    return frozenset(put_out - asked)


def _expressions(template: BoundTemplate) -> Iterator[tuple[bool, Expression]]:
    """Every expression of a template, however deep, and whether it is part of an output."""
    context = RenderContext(template)
    nodes: list[Node] = list(template.nodes)
    while nodes:
        node = nodes.pop()
        in_output = isinstance(node, OutputNode | EchoNode)
        expressions = list(node.expressions())
        while expressions:
            expression = expressions.pop()
            yield in_output, expression
            expressions += expression.children()
        nodes += node.children(context, include_partials=False)


def _finished(text: str, kind: Kind) -> str:
    """The text as it may travel: clean, and no longer than its kind allows."""
    match kind:
        case Kind.SMS | Kind.SPEECH:
            text = _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip()
        case Kind.LINE:
            text = _BLANK.sub(" ", text).strip()
        case _:
            pass
    if len(text) > kind.value:
        raise RenderFailed(f"is longer than {kind.value} characters")
    return text
