import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.domain.faults import Invalid
from worker.domain.workflow import parse_workflow
from worker.domain.workflow_actions import ACTIONS
from worker.domain.workflow_ncx import ALIASES, CANNOT_RUN


def a_workflow(*actions, **more):
    return {"name": "w", "states": {"begin": {"actions": list(actions)}}, **more}


def faults_of(document):
    with pytest.raises(Invalid) as invalid:
        parse_workflow(document)
    return [str(fault) for fault in invalid.value.faults]


def test_all_faults_are_told_at_once_each_with_its_place_and_a_remedy():
    document = {
        "name": "w",
        "maxActoins": 5,
        "states": [
            {"id": "a", "action": []},
            {
                "id": "b",
                "actions": [
                    {"type": "sendSmss", "message": "x"},
                    {"type": "sendSms", "mesage": "x"},
                    {"type": "wait", "for": True},
                    {"type": "placeCall", "say": "x", "machineDetection": "hangup"},
                    {"type": "sendEmail", "subject": "x"},
                    "wait",
                ],
            },
        ],
    }

    assert faults_of(document) == [
        "maxActoins: is not a key of this object (did you mean maxActions?)",
        "states.0.action: is not a key of this object (did you mean actions?)",
        "states.1.actions.0.type: there is no action sendSmss (did you mean sendSms?)",
        "states.1.actions.1.mesage: is not a property of this action (did you mean message?)",
        "states.1.actions.1.message: is required (add message)",
        "states.1.actions.2.for: must be a duration like 2 days, 90 min, PT36H, or a number of seconds",
        "states.1.actions.3.machineDetection: must be 'off', 'hangUp' or 'leaveMessage' (did you mean hangUp?)",
        "states.1.actions.4: has neither text nor html",
        "states.1.actions.5: must be an object with a type",
    ]


def test_ids_default_to_the_type_and_its_number_within_the_state():
    workflow = parse_workflow(
        a_workflow(
            {"type": "sendSms", "message": "1"},
            {"type": "wait", "for": 1},
            {"type": "sendSms", "message": "2"},
            {"type": "sendSms", "id": "third", "message": "3"},
        )
    )

    assert [action.id for action in workflow.states["begin"].actions] == ["sendSms-1", "wait-1", "sendSms-2", "third"]


@pytest.mark.parametrize(
    ("states", "initial"),
    [
        ({"x": {}, "y": {"category": "Begin"}}, "y"),
        ({"x": {}, "start-state": {}}, "start-state"),
        ({"x": {}, "y": {}}, "x"),
        ([{"name": "First"}, {"id": "y"}], "First"),
    ],
)
def test_where_it_begins_when_nobody_says(states, initial):
    assert parse_workflow({"name": "w", "states": states}).initial_state_id == initial


def test_unknown_keys_are_kept_and_the_document_reads_back_as_the_same():
    document = a_workflow(
        {"type": "placeCall", "say": "x", "voicemail": {"say": "y"}, "condition": "contact.a == 1"},
        {"type": "starttimer", "id": "n", "icon": "clock", "properties": {"timeoutInSeconds": 5, "color": "red"}},
        finalUserStateId="u",
        functions={"f": {"states": {"s": {"actions": [{"type": "return"}]}}}},
    )

    wire = parse_workflow(document).to_wire()

    assert wire["finalUserStateId"] == "u"
    assert json.loads(json.dumps(wire)) == wire
    assert parse_workflow(wire).to_wire() == wire


@pytest.mark.parametrize("kind", sorted(CANNOT_RUN))
def test_an_ncx_action_that_cannot_run_here_is_refused_by_name_with_the_reason(kind):
    (fault,) = faults_of(a_workflow({"type": kind, "properties": {"anything": 1}}))

    assert fault.startswith(f"states.begin.actions.0.type: {kind} cannot run here (")


def test_every_alias_means_an_action_of_ours():
    assert {alias.type for alias in ALIASES.values()} <= set(ACTIONS)


@pytest.mark.parametrize(
    ("properties", "fault"),
    [
        ({"subject": "x", "templateId": "t"}, "properties.templateId: cannot be honored here"),
        ({"subject": "x", "body": "y", "dispositionId": "d"}, "properties.dispositionId: cannot be honored here"),
        ({"subject": "${a + b}", "body": "y"}, "properties.subject: holds"),
    ],
)
def test_an_ncx_property_that_cannot_be_honored_is_not_passed_over(properties, fault):
    assert any(fault in told for told in faults_of(a_workflow({"type": "sendemail", "properties": properties})))


def test_a_fault_in_an_ncx_action_has_the_name_the_document_uses():
    (fault,) = faults_of(a_workflow({"type": "smswaitformessage", "properties": {"timeoutDuration": "soon"}}))[:1]

    assert fault == "states.begin.actions.0.properties.timeoutDuration: must be a number"


@pytest.mark.parametrize(
    "document", [None, [], "x", {}, {"states": []}, {"states": {"a": None}}, {"states": {"a/b": {}}}]
)
def test_what_is_no_workflow_is_refused(document):
    assert faults_of(document)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["states", "a", "actions", "type", "id", "condition", "properties", "functions", "expressions"]
                )
                | st.text(max_size=3),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_no_document_crashes_the_reader(document):
    with suppress(Invalid):
        parse_workflow(document)
