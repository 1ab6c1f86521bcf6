"""Promises of `step` that hold for any workflow and any order of news."""

import json
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from channels.messages import ChannelKind
from tests.engine.builders import NOW, a_definition, a_workflow, an_enrollment
from worker.domain.effects import Dispatch
from worker.domain.enrollment import FINAL, Enrollment, MessageKey, Progress
from worker.domain.events import Cancelled, HandedOver, OptedOut, Replied, Settled, Started, TimerFired
from worker.engine.step import step

STATES = ("a", "b", "c")
CONDITIONS = (None, "vars.n == 1", "reply.body == 'yes'", "outcome.category == 'DELIVERED'", "contact.vip")

to = st.sampled_from(STATES)
inside = st.one_of(
    st.just({"type": "sendSms", "message": "Hi {{ contact.firstName }}"}),
    st.just({"type": "sendSms", "message": "{{ vars.n }}"}),
    st.just({"type": "sendEmail", "subject": "s", "text": "t"}),
    st.just({"type": "placeCall", "say": "x"}),
    st.builds(lambda d: {"type": "wait", "for": d}, st.integers(0, 9999)),
    st.just({"type": "wait", "for": "1 day", "at": "02:30"}),
    st.just({"type": "wait", "until": "{{ vars.when }}"}),
    st.builds(lambda s: {"type": "waitForReply", "timeout": "1h", "into": "n", "onTimeout": s}, to),
    st.just({"type": "waitForReply", "timeout": "never"}),
    st.builds(lambda s: {"type": "waitForOutcome", "timeout": "1h", "onTimeout": s}, to),
    st.just({"type": "waitForOutcome", "of": "sendSms-1"}),
    st.builds(lambda v: {"type": "setVariable", "name": "n", "value": v}, st.integers(0, 2)),
    st.builds(lambda d: {"type": "setDisposition", "disposition": d}, st.sampled_from(["CALLBACK", "SMS_REPLIED"])),
    st.just({"type": "terminate"}),
    st.just({"type": "return"}),
    st.builds(lambda s: {"type": "transition", "to": s}, to),
    st.builds(lambda s, t: {"type": "split", "branches": [{"weight": 1, "to": s}, {"weight": 2, "to": t}]}, to, to),
)
calls = st.builds(lambda f: {"type": "callFunction", "function": f}, st.sampled_from(["f", "g"]))


def with_condition(action):
    return st.sampled_from(CONDITIONS).map(lambda condition: {**action, "condition": condition})


def states(actions):
    body = st.lists(actions.flatmap(with_condition), max_size=4)
    return st.fixed_dictionaries({name: st.fixed_dictionaries({"actions": body}) for name in STATES})


workflows = st.builds(
    lambda main, f, g: {"states": main, "functions": {"f": {"states": f}, "g": {"states": g}}, "maxActions": 60},
    states(inside | calls),
    states(inside | calls),
    states(inside),
)

OUTCOMES = (("SMS_DELIVERED", "DELIVERED"), ("SMS_UNREACHABLE", "UNREACHABLE"), ("EMAIL_OPENED", "CONTACTED"))


@st.composite
def news(draw, enrollment: Enrollment):
    """Any event; messages are those asked for, and one that never was."""
    keys = [*enrollment.messages, MessageKey("a", "never", 1)]
    message = draw(st.sampled_from(keys))
    disposition, category = draw(st.sampled_from(OUTCOMES))
    return draw(
        st.sampled_from(
            [
                Started(),
                TimerFired(),
                TimerFired(),
                HandedOver(message=message),
                HandedOver(message=keys[-2] if len(keys) > 1 else message),
                Settled(message=message, disposition=disposition, category=category),
                Replied(channel=draw(st.sampled_from(ChannelKind)), body=draw(st.sampled_from(["yes", "no"]))),
            ]
        )
        if draw(st.integers(0, 19))
        else st.sampled_from([Cancelled(reason="enough"), OptedOut(channel=ChannelKind.SMS)])
    )


def read_back(enrollment: Enrollment) -> Enrollment:
    state = json.loads(json.dumps(enrollment.to_json()))
    return Enrollment.from_json(enrollment.enrollment_id, enrollment.status, enrollment.recipient, state)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(workflows, st.data())
def test_whatever_happens_nobody_is_lost_sent_twice_or_brought_back(document, data):
    definition = a_definition(a_workflow(**document))
    enrollment, now = an_enrollment(), NOW + timedelta(microseconds=1234)
    sent: set[MessageKey] = set()
    event = Started()
    for _ in range(data.draw(st.integers(1, 25))):
        before = json.dumps(enrollment.to_json())
        transition = step(definition, enrollment, event, now)
        after = transition.enrollment

        assert step(definition, enrollment, event, now) == transition, "a step is deterministic"
        assert json.dumps(enrollment.to_json()) == before, "a step touches nothing it was given"
        assert read_back(after) == after, "what is stored is what was decided"

        asked = [effect.key for effect in transition.effects if isinstance(effect, Dispatch)]
        assert len(asked) <= 1
        assert not sent & set(asked), "no message is asked for twice"
        sent |= set(asked)
        assert sent == set(after.messages)

        open_message = any(note.progress is not Progress.SETTLED for note in after.messages.values())
        waits_for_reply = after.wait is not None and after.wait.due_at is None and after.wait.message is None
        assert after.status in FINAL or transition.due_at or open_message or waits_for_reply, "nobody is lost"
        assert transition.due_at is None or transition.due_at >= now or event != TimerFired()
        if enrollment.status in FINAL:
            assert after == enrollment, "a final state is never left"
            assert transition.effects == ()

        enrollment = read_back(after)
        now += timedelta(seconds=data.draw(st.sampled_from([0, 1, 4000, 90_000])), microseconds=1234)
        event = data.draw(news(enrollment))


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 10_000), st.integers(1, 100_000))
def test_speed_divides_every_distance_from_now(speed, seconds):
    workflow = a_workflow({"type": "wait", "for": seconds})

    real = step(a_definition(workflow), an_enrollment(), Started(), NOW)
    fast = step(a_definition(workflow, options={"speed": speed}), an_enrollment(), Started(), NOW)

    assert (fast.due_at or NOW) - NOW <= (real.due_at - NOW) / speed
    assert (real.due_at - NOW) / speed - ((fast.due_at or NOW) - NOW) < timedelta(milliseconds=1)


def test_the_shares_of_a_split_are_what_the_weights_say():
    branches = [{"weight": 1, "to": "a"}, {"weight": 3, "to": "b"}]
    workflow = a_workflow(states={"begin": {"actions": [{"type": "split", "branches": branches}]}, "a": {}, "b": {}})
    definition = a_definition(workflow)
    ways = [
        step(definition, Enrollment(enrollment_id=f"enr_{n}", recipient=an_enrollment().recipient), Started(), NOW)
        for n in range(4000)
    ]

    to_a = sum("a" in way.enrollment.visits for way in ways)

    assert 900 < to_a < 1100


def test_two_splits_with_one_label_go_the_same_way():
    branches = [{"weight": 1, "to": "a"}, {"weight": 1, "to": "b"}]
    inner = {
        "actions": [{"type": "split", "by": "test", "branches": [{"weight": 1, "to": "c"}, {"weight": 1, "to": "d"}]}]
    }
    first = {"actions": [{"type": "split", "by": "test", "branches": branches}]}
    workflow = a_workflow(states={"begin": first, "a": inner, "b": inner, "c": {}, "d": {}})
    definition = a_definition(workflow)

    for n in range(50):
        enrollment = Enrollment(enrollment_id=f"enr_{n}", recipient=an_enrollment().recipient)
        visits = step(definition, enrollment, Started(), NOW).enrollment.visits
        assert ("a" in visits) == ("c" in visits)


def test_who_stands_in_a_state_that_a_new_version_lacks_is_failed_with_the_reason():
    old, new = a_workflow({"type": "wait", "for": 60}), a_workflow(states={"other": {}})
    waiting = step(a_definition(old), an_enrollment(), Started(), NOW).enrollment

    failed = step(a_definition(new), waiting, TimerFired(), NOW + timedelta(minutes=1)).enrollment

    assert failed.status == "failed"
    assert failed.reason == "state begin is not in version 1 of the workflow"


def test_a_function_that_calls_itself_fails_instead_of_sending_under_a_name_twice():
    again = {"states": {"s": {"actions": [{"type": "callFunction", "function": "f"}]}}}
    workflow = a_workflow({"type": "callFunction", "function": "f"}, functions={"f": again})

    failed = step(a_definition(workflow), an_enrollment(), Started(), NOW).enrollment

    assert failed.status == "failed"
    assert "a function cannot call itself" in failed.reason
