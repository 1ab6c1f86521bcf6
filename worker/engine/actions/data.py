"""setVariable, setDisposition: what the enrollment remembers and is filed under."""

from worker.engine.plan import Assign, FileUnder
from worker.engine.render import Template
from worker.engine.walk import Walk


def assign(walk: Walk, action: Assign) -> None:
    """Remember a value. A template that is a single output keeps its type, so that counters stay numbers."""
    value = action.value
    walk.remember(action.name, value.evaluate(walk.facts()) if isinstance(value, Template) else value)
    walk.advance()


def file_under(walk: Walk, action: FileUnder) -> None:
    """File the enrollment under a disposition; it is recorded even where an earlier one stands."""
    walk.record(action.rule)
    walk.set_disposition(action.rule)
    walk.advance()
