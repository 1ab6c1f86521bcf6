"""The HTTP interface against its own document, by somebody who has read nothing else and means it no good."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from schemathesis.python.asgi import shutdown_lifespans

from tests.api.desk import make_runtime, make_token
from worker.api.app import make_app
from worker.store.facade import Store

_ACCEPTED = ["2xx", "401", "403", "404", "409"]

_LENIENCE: list[dict[str, Any]] = [
    {
        # A query's grammar, what it costs, and which cursor belongs to which search, no JSON schema can say.
        "include-path-regex": r"(/types/\w+|/audience)$",
        "include-method": "GET",
        "checks": {"positive_data_acceptance": {"expected-statuses": [*_ACCEPTED, "400", "422"]}},
    },
    {
        # Nor when a document was last changed. 400: schemathesis takes the quotes off the ETags that it makes up.
        "include-method": "DELETE",
        "checks": {"positive_data_acceptance": {"expected-statuses": [*_ACCEPTED, "400", "412"]}},
    },
    {
        # Nor what must exist, and what must fit together. And the schema shows documents as they are given back: what
        # NCX sends besides, numbers as text and an empty text for "not set", is read too, so that data which breaks
        # the schema may be taken. test_types_bodies.py says what is not.
        "include-method": ["POST", "PATCH"],
        "checks": {
            "positive_data_acceptance": {"expected-statuses": [*_ACCEPTED, "400", "412", "422"]},
            "negative_data_rejection": {"enabled": False},
        },
    },
]
"""Where the checks are not as strict as by default, and why."""

_PHASES = ("examples", "coverage", "fuzzing", "stateful")


@pytest.fixture
def attack(sqlite_url: str, tmp_path) -> Iterator[Callable[..., list[str]]]:
    """Let schemathesis work through what is there. Returns what it found, and sees to it that it did anything."""
    store = Store(sqlite_url)
    token = make_token(store)
    store.close()
    app = make_app(lambda: make_runtime(sqlite_url, tmp_path, api_requests_per_second=0))

    def attack_with(*phases: str, paths: str = "", max_examples: int = 2) -> list[str]:
        config = SchemathesisConfig.from_dict(
            {
                "seed": 4,
                "headers": {"Authorization": f"Bearer {token}"},
                "generation": {"max-examples": max_examples, "deterministic": True, "database": "none"},
                "phases": {name: {"enabled": name in phases} for name in _PHASES},
                "operations": _LENIENCE,
                "continue-on-failure": True,
            }
        )
        document = json.loads(json.dumps(app.state.openapi()))
        chosen = {path: operations for path, operations in document["paths"].items() if re.search(paths, path)}
        schema = schemathesis.openapi.from_dict({**document, "paths": chosen}, config=config)
        schema.app = app
        return _found(schema)

    yield attack_with
    shutdown_lifespans()


def _found(schema) -> list[str]:
    """Every failed check and every error, once."""
    found, asked = [], 0
    for event in from_schema(schema).execute():
        match event:
            case events.ScenarioFinished(recorder=recorder):
                asked += len(recorder.interactions)
                found += [
                    f"{event.label}: {check.name}: {failed.failure.message}\n{failed.code_sample}"
                    for checks in recorder.checks.values()
                    for check in checks
                    if (failed := check.failure_info)
                ]
            case events.NonFatalError(label=label, value=error):
                found.append(f"{label}: {error!r}")
            case events.FatalError(exception=error):
                raise error
            case _:
                pass
    assert asked, "nothing was asked"
    return list(dict.fromkeys(found))


def test_every_request_holds_what_the_document_promises(attack):
    assert attack("examples", "fuzzing", "stateful") == []


def test_no_value_at_the_edge_of_what_is_allowed_breaks_a_promise(attack):
    # Every type has the same requests from the same table; contacts have a store of their own.
    assert attack("coverage", paths=r"(/types/(contact|prompt)(/|$))|webhooks|health") == []
