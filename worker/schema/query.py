r"""Queries in Lucene's syntax, read into the tree of `worker.domain.search`.

1. `name:Holiday*`, `name:"Renewal Q4"`, `priority:[1 TO 5]`, `createdAt:>=2026-11-01`, `useForSMS:true`, `phone:*` or
   `_exists_:phone`, `name:(renewal OR holiday)`. Nothing, `*` and `*:*` ask for everything.
2. A word or a phrase without a field is looked for in each field that is free to it.
3. AND, OR, NOT, `&&`, `||`, `!`, `+`, `-` and brackets. What stands side by side must all hold, and binds least:
   `a b OR c` is `a AND (b OR c)`, as in Lucene's own parser. So `+` asks for nothing more. A NOT may stand alone.
4. Case never matters, save in ids and other exact values. `\` makes the next character part of the value, and so do
   double quotes around all of it.
5. A query ends in a tree or in a BadQuery; its size is bounded, and so is its depth.
6. In a segment, a field that is not known is an attribute, named as it is written; a `\` before each sign in it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from luqum import tree

from worker.domain import search
from worker.domain.base import closest
from worker.domain.search import Everything, FieldKind, Order, Query, words
from worker.schema.errors import BadRequest
from worker.schema.query_attributes import attribute_between, attribute_has, attribute_name, is_number
from worker.schema.query_syntax import BadQuery, tree_of
from worker.schema.query_values import Limit, Value, has_between, has_value, value_of_phrase, value_of_word

__all__ = ["BadQuery", "parse", "parse_order"]

_MOST_CLAUSES: Final = 50
_DEEPEST: Final = 10


def parse(text: str, fields: Mapping[str, FieldKind], free: Sequence[str], *, attributes: bool = False) -> Query:
    """Read a query over these fields. `free`: those where a word without a field is looked for. Raises BadQuery.

    `attributes`: any other field is an attribute of a contact.
    """
    if not text.strip():
        return Everything()
    return _Reading(fields, tuple(free), attributes).query(tree_of(text))


def parse_order(text: str, sorts: Sequence[str]) -> Order:
    """Read `name`, `-modifiedAt`, `name asc` or `modifiedAt desc`. Raises BadRequest for any but these sorts."""
    found = _ORDER.fullmatch(text.strip())
    name = found["field"] if found else ""
    if found is None or name not in sorts or (found["minus"] and found["way"]):
        meant = closest(name, tuple(sorts))
        hint = f"did you mean {meant}? " if meant and meant != name else ""
        down = f"the other way round -{sorts[0]} or {sorts[0]} desc"
        raise BadRequest(f"sort: there is no such order; {hint}write one of {', '.join(sorts)}, {down}")
    return Order(name, descending=bool(found["minus"]) or (found["way"] or "").lower() == "desc")


_ORDER: Final = re.compile(r"(?P<minus>-?)(?P<field>\w+)(\s+(?P<way>asc|desc))?", re.IGNORECASE)


@dataclass(slots=True)
class _Reading:
    """One query while it is read. `clauses`: how many conditions it had so far."""

    fields: Mapping[str, FieldKind]
    free: tuple[str, ...]
    attributes: bool = False
    clauses: int = 0

    def query(self, node: Any, name: str = "", depth: int = 0) -> Query:
        """A node of luqum's tree. `name`: the field whose group it stands in, or ""."""
        if depth > _DEEPEST:
            raise BadQuery(f"nested more than {_DEEPEST} deep; use fewer brackets and signs", node.pos)
        match node:
            case tree.SearchField():
                return self._of_field(node, name, depth)
            case tree.BaseGroup():
                return self.query(node.expr, name, depth + 1)
            case tree.Plus():
                return self.query(node.a, name, depth + 1)
            case tree.Not() | tree.Prohibit():
                return search.Not(self.query(node.a, name, depth + 1))
            case tree.OrOperation():
                return _joined(search.Any, [self.query(part, name, depth) for part in node.operands])
            case tree.BaseOperation():
                return _joined(search.All, [self.query(part, name, depth) for part in node.operands])
            case _:
                return self._counted(self._leaf(node, name), node)

    def _of_field(self, node: Any, outer: str, depth: int) -> Query:
        """What stands after a name and a colon."""
        if outer:
            raise BadQuery(
                f"a field within the field {outer}; write \\: for a colon, or put the value into double quotes",
                node.pos,
            )
        if node.name == "*" and _is_star(node.expr):
            return self._counted(Everything(), node)
        if node.name == "_exists_":
            return self._exists(node)
        name = self._field(node.name, node.pos)
        if not isinstance(node.expr, tree.Prohibit):
            return self.query(node.expr, name, depth)
        value = _value(node.expr)
        if not (self.fields[name] in _SIGNED if name in self.fields else is_number(value)):
            place = node.expr.pos
            raise BadQuery(f"a minus stands before the field, -{node.name}:…; write \\- for the sign itself", place)
        return self._counted(self._has(name, value), node.expr)

    def _exists(self, node: Any) -> Query:
        if not isinstance(node.expr, tree.Word):
            raise BadQuery("_exists_ takes the name of one field, like _exists_:name", node.expr.pos)
        name = self._field(node.expr.value, node.expr.pos)
        return self._counted(self._has(name, _ANY), node)

    def _leaf(self, node: Any, name: str) -> Query:
        match node:
            case tree.Range():
                low, high = _limit(node.low, node.include_low), _limit(node.high, node.include_high)
            case tree.From():
                low, high = _limit(node.a, node.include), Limit(None)
            case tree.To():
                low, high = Limit(None), _limit(node.a, node.include)
            case _:
                value = _value(node)
                return self._has(name, value) if name else self._anywhere(node, value)
        if not name:
            raise BadQuery("a range needs a field; write the field and a colon before it", node.pos)
        if name not in self.fields:
            return attribute_between(name, low, high, node.pos)
        return has_between(name, self.fields[name], low, high, node.pos)

    def _has(self, name: str, value: Value) -> Query:
        return has_value(name, self.fields[name], value) if name in self.fields else attribute_has(name, value)

    def _anywhere(self, node: Any, value: Value) -> Query:
        """A value without a field."""
        if value.is_open:
            return Everything()
        compared = re.match(r"(\w+)[<>=]", node.value)
        if compared and compared[1] in self.fields:
            raise BadQuery(f"a colon is missing; write {compared[1]}:…", node.pos + len(compared[1]))
        found = tuple(has_value(name, kind, value) for name, kind in self._where(value))
        if not found:
            raise BadQuery("nothing to look for here; write a field and a colon before it", node.pos)
        return found[0] if len(found) == 1 else search.Any(found)

    def _where(self, value: Value) -> list[tuple[str, FieldKind]]:
        """The free fields that may have such a value."""
        may = {
            FieldKind.WORDS: bool(words(value.text)),
            FieldKind.KEYWORD: True,
            FieldKind.EXACT: not value.is_pattern,
        }
        return [(name, self.fields[name]) for name in self.free if may.get(self.fields[name])]

    def _counted(self, leaf: Query, node: Any) -> Query:
        self.clauses += _clauses(leaf)
        if self.clauses > _MOST_CLAUSES:
            raise BadQuery(f"more than {_MOST_CLAUSES} conditions or words; ask in several searches", node.pos)
        return leaf

    def _field(self, written: str, position: int) -> str:
        """The name of a field, as it is written. Raises BadQuery where there is none."""
        if written in self.fields:
            return written
        meant = closest(written, tuple(self.fields))
        if self.attributes and meant.lower() != written.lower():
            return attribute_name(value_of_word(written, position))
        hint = f"did you mean {meant}?" if meant else f"there are {', '.join(sorted(self.fields))}"
        raise BadQuery(f"there is no such field; {hint}", position)


_SIGNED: Final = (FieldKind.NUMBER, FieldKind.TIME)
_ANY: Final = value_of_word("*", 0)


def _clauses(leaf: Query) -> int:
    """How many conditions a value makes: one for each of its words, in however many fields they are looked for."""
    match leaf:
        case search.Says(words=said):
            return len(said)
        case search.All(parts):
            return len(parts)
        case search.Any(parts):
            return max(map(_clauses, parts))
        case _:
            return 1


def _joined(join: type[search.All | search.Any], parts: Iterable[Query]) -> Query:
    """Parts in one join; those of the same join within it are its own."""
    found = (part.parts if isinstance(part, join) else (part,) for part in parts)
    return join(tuple(chain.from_iterable(found)))


def _is_star(node: Any) -> bool:
    return isinstance(node, tree.Word) and node.value == "*"


def _limit(node: Any, inclusive: bool) -> Limit:  # noqa: FBT001 - as luqum has it
    return Limit(None) if _is_star(node) else Limit(_value(node), inclusive)


def _value(node: Any) -> Value:
    match node:
        case tree.Word():
            return value_of_word(node.value, node.pos)
        case tree.Phrase():
            return value_of_phrase(node.value, node.pos)
        case tree.Prohibit(a=tree.Word()):  # a number below zero
            return value_of_word("-" + node.a.value, node.pos)
        case _:
            raise BadQuery("a minus before quotes; put it within them", node.pos)
