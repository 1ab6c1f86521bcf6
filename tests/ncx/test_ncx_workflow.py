"""A workflow as the editor of NCX writes it is read as it is meant there."""

import pytest

from tests.engine.builders import CAMPAIGN, NOW, a_campaign, an_enrollment
from worker.domain.effects import Dispatch
from worker.domain.events import Started
from worker.domain.faults import Invalid
from worker.domain.workflow import parse_workflow
from worker.engine.check import check
from worker.engine.definition import compile_definition
from worker.engine.step import step

NONE = {"conditionType": "NONE", "expressions": [{"leftExpression": "", "operator": "", "rightExpression": ""}]}
SEND = {"type": "smsmessageconsumer", "properties": {"message": "${workitem.data.offer}", "condition": NONE}}
BROKEN = {"type": "playprompt", "properties": {}}


def a_state(*actions, **more):
    return {"objectType": "campaignstate", "category": "Standard", "actions": list(actions), **more}


def to(state):
    return {"type": "transition", "properties": {"stateId": state, "condition": NONE}}


def an_action(kind, **properties):
    return {"type": kind, "properties": properties}


def when(*expression, kind="AND"):
    keys = ("leftExpression", "operator", "rightExpression")
    return {"conditionType": kind, "expressions": [dict(zip(keys, expression, strict=True))]}


def a_workflow(*actions, **states):
    return {"name": "w", "states": {"start-state": a_state(*actions), **states}}


def faults_of(document):
    with pytest.raises(Invalid) as invalid:
        parse_workflow(document)
    return [str(fault) for fault in invalid.value.faults]


def check_of(document):
    return [str(fault) for fault in check(a_campaign(), {"wf_1": parse_workflow(document)}, [])]


def sent(document, **fields):
    """The texts that the first step asks for."""
    definition = compile_definition(campaign=CAMPAIGN, workflows={"wf_1": document})
    effects = step(definition, an_enrollment(fields=fields), Started(), NOW).effects
    return [effect.content["body"] for effect in effects if isinstance(effect, Dispatch)]


def test_a_half_filled_condition_of_the_type_none_is_no_condition():
    assert parse_workflow(a_workflow(SEND)).states["start-state"].actions[0].condition is None


def test_expressions_without_a_type_are_not_taken_for_always():
    condition = {"expressions": when("a", "==", "1")["expressions"]}

    [fault] = faults_of(a_workflow(an_action("terminate", condition=condition)))

    assert fault.startswith("states.start-state.actions.0.properties.condition.conditionType: must be 'NONE'")


@pytest.mark.parametrize(("tier", "said"), [("gold", ["known"]), ("", ["known"]), (None, ["unknown"])])
def test_an_empty_right_side_asks_whether_it_is_set(tier, said):
    document = a_workflow(
        an_action("smsmessageconsumer", message="known", condition=when("workitem.data.tier", "!=", "", kind="and")),
        an_action("smsmessageconsumer", message="unknown", condition=when("workitem.data.tier", " == ", "")),
    )

    assert sent(document, tier=tier) == said


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ('"10 percent"', "10 percent"),
        ("'10 percent'", "10 percent"),
        ('"${workitem.data.price} dollars"', "9 dollars"),
        ("${workitem.data.price}", "9"),
        ("workitem.data.price", "9"),
        ("workitem.contact.price", "9"),
        ("10", "10"),
        ("true", "true"),
    ],
)
def test_what_may_stand_on_the_right_of_an_assignment(written, value):
    assign = an_action("savevariable", variableName="workitem.data.offer", rightExpression=written, name="Save")

    assert sent(a_workflow(assign, SEND), price="9") == [value]


def test_the_name_ncx_gives_a_property_goes_before_ours():
    wait = an_action("starttimer", timeoutInSeconds="90", **{"for": "1 day"})

    assert parse_workflow(a_workflow(wait)).states["start-state"].actions[0].for_ == 90


def test_properties_that_are_called_like_the_envelope_are_something_else():
    assign = an_action(
        "savevariable", variableName="offer", rightExpression="1", id="x" * 200, name="Save", description=3, icon={}
    )

    assert sent(a_workflow(assign | {"id": "a"}, SEND)) == ["1"]


def test_an_expression_beyond_that_is_refused_with_a_remedy():
    assign = an_action("savevariable", variableName="n", rightExpression="workitem.data.n + 1")

    [fault] = faults_of(a_workflow(assign))
    assert fault.startswith("states.start-state.actions.0.properties.rightExpression: is neither a name, a number")
    assert fault.endswith("(write it as a Liquid template)")


def test_data_of_the_workitem_is_what_was_set_and_else_what_came_with_the_person():
    assign = an_action(
        "savevariable",
        variableName="workitem.data.offer",
        rightExpression="'set'",
        condition=when("workitem.data.tier", "==", '"gold"'),
    )

    assert sent(a_workflow(assign, SEND), offer="came", tier="gold") == ["set"]
    assert sent(a_workflow(assign, SEND), offer="came", tier="tin") == ["came"]


def test_data_that_nobody_brings_is_told_once_the_contacts_are_known():
    workflow = {"wf_1": parse_workflow(a_workflow(SEND))}

    assert check(a_campaign(), workflow, []) == []
    [fault] = check(a_campaign(), workflow, [], contact_fields={"firstName"})
    assert str(fault).startswith("states.start-state.actions.0.properties.message: no contact has offer")


@pytest.mark.parametrize("name", ["workitem.digits", "workitem.queueId"])
def test_a_condition_on_what_never_comes_is_a_fault(name):
    [fault] = check_of(a_workflow(an_action("terminate", condition=when(name, "==", "1"))))

    assert (
        fault == f"states.start-state.actions.0.properties.condition: workitem has no {name.removeprefix('workitem.')}"
    )


def test_what_nothing_leads_to_is_passed_over_with_its_faults():
    document = a_workflow(SEND, to("end"), BROKEN, SEND, end=a_state(), orphan=a_state(BROKEN, to("end")))

    workflow = parse_workflow(document)

    assert list(workflow.states) == ["start-state", "end"]
    assert len(workflow.states["start-state"].actions) == 2
    assert check_of(document) == []


def test_where_something_that_is_reached_is_broken_all_faults_are_told():
    document = a_workflow(BROKEN, to("end"), BROKEN, end=a_state(), orphan=a_state(BROKEN))

    assert [fault.partition(":")[0] for fault in faults_of(document)] == [
        "states.start-state.actions.0.type",
        "states.start-state.actions.2.type",
        "states.orphan.actions.0.type",
    ]


def test_a_state_reached_only_by_a_timeout_or_a_condition_remains():
    wait = an_action("smswaitformessage", timeoutDuration=-1, stateId="a")
    skip = an_action("transitionbyname", stateName="B", condition=when("contact.x", "==", "1"))

    workflow = parse_workflow(a_workflow(wait, skip, to("c"), a=a_state(), b=a_state(name="B"), c=a_state()))

    assert workflow.states.keys() == {"start-state", "a", "b", "c"}


def test_in_a_document_of_ours_what_is_never_reached_is_a_slip():
    states = {"a": {"actions": [{"type": "terminate"}]}, "b": {"actions": []}}

    assert check_of({"name": "w", "states": states}) == [
        "states.b: is never reached (lead a transition to it, or remove it)"
    ]


@pytest.mark.parametrize("key", ["_id", "campaignStateId", "key"])
def test_a_state_is_found_by_each_of_its_ids(key):
    workflow = a_workflow(to("the-other"), other=a_state(**{key: "the-other"}))

    assert parse_workflow(workflow).states.keys() == {"start-state", "other"}
    assert check_of(workflow) == []


def test_a_function_of_ncx_names_its_first_state_as_a_workflow_does():
    function = {"initialStateId": "start-state", "states": {"other": a_state(), "start-state": a_state(SEND)}}
    document = a_workflow(an_action("function", functionId="f")) | {"functions": {"f": function}}

    assert sent(document, offer="x") == ["x"]
