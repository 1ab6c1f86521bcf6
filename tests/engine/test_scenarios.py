"""Every `tests/scenarios/*.json`: a definition, and what each event in turn must come to.

Between two events the enrollment is written to JSON and read back, so each scenario tests that too. `expect` may hold
status, sends, outcomes, dueAt, disposition, reason, variables, visits; `sends` and `outcomes` are none unless named.
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.engine.builders import CAMPAIGN, CONTACT
from worker.domain.effects import Dispatch, RecordOutcome, Transition
from worker.domain.enrollment import Enrollment, Recipient
from worker.domain.events import event_from_json
from worker.domain.workflow_actions import ACTIONS
from worker.engine.definition import compile_definition
from worker.engine.step import step

SCENARIOS = sorted((Path(__file__).parent.parent / "scenarios").glob("*.json"))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_scenario(path: Path):
    scenario = json.loads(path.read_text())
    definition = compile_definition(
        campaign={**CAMPAIGN, **scenario.get("campaign", {})},
        workflows={"wf_1": scenario["workflow"], **scenario.get("workflows", {})},
        dispositions=scenario.get("dispositions", []),
        options=scenario.get("options"),
    )
    recipient = Recipient(**{**CONTACT, **scenario.get("contact", {})})
    enrollment = Enrollment(enrollment_id="enr_1", recipient=recipient)
    for number, turn in enumerate(scenario["steps"], start=1):
        transition = step(definition, enrollment, event_from_json(turn["event"]), datetime.fromisoformat(turn["now"]))
        expected = {"sends": [], "outcomes": []} | turn["expect"]
        actual = _seen(transition)
        assert {key: actual[key] for key in expected} == expected, f"step {number}"
        enrollment = _written_and_read(transition.enrollment)


def test_every_action_has_a_scenario():
    shown = {
        action["type"]
        for path in SCENARIOS
        for scenario in [json.loads(path.read_text())]
        for workflow in [scenario["workflow"], *scenario.get("workflows", {}).values()]
        for scope in [workflow, *workflow.get("functions", {}).values()]
        for state in scope["states"].values()
        for action in state.get("actions", [])
    }
    assert set(ACTIONS) <= shown


def _seen(transition: Transition) -> dict[str, Any]:
    enrollment = transition.enrollment
    return {
        "status": enrollment.status,
        "disposition": enrollment.disposition,
        "reason": enrollment.reason,
        "variables": dict(enrollment.variables),
        "visits": dict(enrollment.visits),
        "dueAt": transition.due_at and transition.due_at.isoformat().replace("+00:00", "Z"),
        "sends": [
            {"key": str(e.key), "channel": e.channel, "to": e.to, "sender": e.sender, "content": e.content}
            for e in transition.effects
            if isinstance(e, Dispatch)
        ],
        "outcomes": [
            {"disposition": e.disposition, "message": str(e.message or ""), "detail": e.detail}
            for e in transition.effects
            if isinstance(e, RecordOutcome)
        ],
    }


def _written_and_read(enrollment: Enrollment) -> Enrollment:
    state = json.loads(json.dumps(enrollment.to_json()))
    read = Enrollment.from_json(enrollment.enrollment_id, enrollment.status, enrollment.recipient, state)
    assert read == enrollment
    return read
