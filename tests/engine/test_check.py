import pytest

from tests.engine.builders import a_campaign, a_workflow
from worker.engine.check import check

SMS = {"type": "sendSms", "message": "Hi {{ contact.firstName }}"}


def told(workflow, fields=None, others=None, **campaign):
    workflows = {"wf_1": workflow, **(others or {})}
    return [str(fault) for fault in check(a_campaign(**campaign), workflows, [], fields)]


def test_a_good_workflow_has_no_faults():
    workflow = a_workflow(
        states={
            "ask": {
                "actions": [
                    {**SMS, "id": "ask"},
                    {"type": "waitForReply", "timeout": "1 day", "into": "answer", "onTimeout": "ask"},
                    {"type": "waitForOutcome", "of": "ask", "timeout": "1h"},
                    {"type": "sendSms", "message": "You said {{ vars.answer }} to {{ campaign.name }}"},
                    {"type": "setDisposition", "disposition": "SMS_REPLIED"},
                ]
            }
        }
    )

    assert told(workflow, fields={"firstName"}) == []


@pytest.mark.parametrize(
    ("action", "fault"),
    [
        ({"type": "transition", "to": "dnoe"}, "to: there is no state dnoe (did you mean done?)"),
        ({"type": "waitForReply", "timeout": "1h", "onTimeout": "dun"}, "onTimeout: there is no state dun"),
        ({"type": "split", "branches": [{"weight": 0, "to": "done"}]}, "branches.0.weight: must be greater than 0"),
        ({"type": "wait", "for": "2 moons"}, "for: is no duration (write 2 days"),
        ({"type": "wait", "at": "25:00"}, 'at: is no time of day (write "10:00"'),
        ({"type": "waitForReply", "timeout": "soon"}, "timeout: is no duration"),
        ({"type": "sendSms", "message": "{{ a"}, "message: expected '}}'"),
        ({"type": "terminate", "condition": "a == "}, "condition: is not complete at character 6"),
        ({"type": "setDisposition", "disposition": "SMS_REPLYED"}, "(did you mean SMS_REPLIED?)"),
        ({"type": "callFunction", "function": "nope"}, "function: there is no function nope"),
        ({"type": "setVariable", "name": "reply", "value": 1}, "name: reply is kept by the engine itself"),
        ({"type": "placeCall", "say": "x", "machineDetection": "leaveMessage"}, "voicemail: is required"),
        ({"type": "waitForOutcome", "of": "mail"}, "of: no action mail sends anything"),
        ({"type": "sendSms", "message": "{{ firstName }}"}, "message: there is no firstName (did you mean contact."),
        ({"type": "sendSms", "message": "{{ contact.fristName }}"}, "(did you mean contact.firstName?)"),
        ({"type": "sendSms", "message": "{{ contact.color }}"}, "message: no contact has color (add it, or give"),
        ({"type": "sendSms", "message": "{{ vars.n }}"}, "message: no action sets vars.n"),
        ({"type": "sendSms", "message": "{{ reply.text }}"}, "message: reply has no text"),
        ({"type": "sendSms", "message": "{{ contact }}"}, "message: puts out the whole of contact"),
        ({"type": "terminate", "condition": "contct.a == 1"}, "condition: there is no contct (did you mean contact?)"),
    ],
)
def test_each_slip_is_told_with_its_place(action, fault):
    workflow = a_workflow(states={"begin": {"actions": [action]}, "done": {}})

    assert any(f"states.begin.actions.0.{fault}" in text or fault in text for text in told(workflow, {"firstName"}))


def test_what_is_only_asked_about_may_be_unknown():
    message = "Hi {{ contact.nick | default: 'you' }}{% if contact.color %}{{ contact.color }}{% endif %}"
    action = {"type": "sendSms", "message": message, "condition": "contact.country == 'IT'"}

    assert told(a_workflow(action), {"firstName"}) == []


@pytest.mark.parametrize(
    ("action", "switch"),
    [
        (SMS, "useForSMS"),
        ({"type": "sendEmail", "subject": "x", "text": "y"}, "useForEmail"),
        ({"type": "placeCall", "say": "x"}, "useForOutbound"),
        ({"type": "waitForReply", "timeout": "1h"}, "useForSMS"),
    ],
)
def test_a_channel_that_is_off_is_told(action, switch):
    (fault,) = told(a_workflow(action), **{switch: False})

    assert fault.startswith("states.begin.actions.0: needs ")
    assert f"set {switch} to true" in fault


def test_a_circle_needs_a_wait_that_is_always_taken():
    def circle(*actions):
        return told(a_workflow(states={"a": {"actions": [*actions, {"type": "transition", "to": "a"}]}}))

    fault = "leads back to a without a wait on the way"
    assert fault in circle(SMS)[0]
    assert fault in circle({"type": "wait", "for": "1h", "condition": "contact.vip"})[0]
    assert fault in circle({"type": "placeCall", "say": "x"})[0]
    assert circle(SMS, {"type": "wait", "for": "1h"}) == []


def test_a_longer_circle_is_found_and_a_timeout_breaks_it():
    def circle(back):
        return told(
            a_workflow(
                states={
                    "a": {
                        "actions": [{"type": "split", "branches": [{"weight": 1, "to": "b"}, {"weight": 1, "to": "c"}]}]
                    },
                    "b": {"actions": [SMS, {"type": "transition", "to": "c"}]},
                    "c": {"actions": [back]},
                }
            )
        )

    hint = "add a wait, waitForReply or waitForOutcome without a condition before it"
    assert circle({"type": "transition", "to": "a"}) == [
        "states.c.actions.0: leads back to a without a wait on the way (" + hint + ")"
    ]
    assert circle({"type": "waitForReply", "timeout": "1h", "onTimeout": "a"}) == []


def test_a_function_that_always_waits_breaks_a_circle():
    def circle(*inside):
        functions = {"f": {"states": {"s": {"actions": list(inside)}}}}
        loop = [{"type": "callFunction", "function": "f"}, {"type": "transition", "to": "a"}]
        return told(a_workflow(states={"a": {"actions": loop}}, functions=functions))

    assert circle({"type": "wait", "for": "1h"}) == []
    assert circle({"type": "return", "condition": "contact.vip"}, {"type": "wait", "for": "1h"})


def test_states_actions_and_functions_never_reached_are_told():
    workflow = a_workflow(
        states={
            "a": {"actions": [{"type": "terminate"}, SMS]},
            "b": {"actions": [{"type": "transition", "to": "a"}]},
        },
        functions={"f": {"states": {"s": {"actions": [{"type": "return"}]}}}},
    )

    places = {text.partition(":")[0] for text in told(workflow)}

    assert places == {"states.a.actions.1", "states.b", "functions.f"}


def test_a_function_cannot_call_itself_through_others():
    call = {"f": "g", "g": "f"}
    functions = {
        name: {"states": {"s": {"actions": [{"type": "callFunction", "function": other}]}}}
        for name, other in call.items()
    }

    faults = told(a_workflow({"type": "callFunction", "function": "f"}, functions=functions))

    assert len([fault for fault in faults if "comes back to itself" in fault]) == 2


def test_a_fault_in_another_workflow_says_which():
    other = a_workflow({"type": "transition", "to": "nowhere"})

    (fault,) = told(a_workflow({"type": "callFunction", "function": "wf_2"}), others={"wf_2": other})

    assert fault.startswith("workflows.wf_2.states.begin.actions.0.to: there is no state nowhere")


def test_a_missing_workflow_is_a_fault_of_the_campaign():
    (fault,) = check(a_campaign(workflowId="gone"), {}, [])

    assert fault.path == ("workflowId",)
