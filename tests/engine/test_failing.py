"""A workflow that cannot go on: its enrollment says so, unless something better is known of the person."""

from tests.engine.builders import NOW, a_definition, a_workflow, an_enrollment
from worker.domain.effects import RecordOutcome
from worker.domain.enrollment import EnrollmentStatus
from worker.domain.events import HandedOver, Settled, Started
from worker.engine.step import step

ROUND = {"a": {"actions": [{"type": "transition", "to": "a"}]}}
TEXT = {"type": "sendSms", "message": "Hello"}


def test_who_fails_with_the_workflow_is_filed_as_failed():
    news = step(a_definition(a_workflow(states=ROUND, maxActions=3)), an_enrollment(), Started(), NOW)

    assert (news.enrollment.status, news.enrollment.disposition) == (EnrollmentStatus.FAILED, "WORKFLOW_FAILED")
    filed = RecordOutcome(disposition="WORKFLOW_FAILED", category="FAILED_CONFIG", detail=news.enrollment.reason)
    assert news.effects == (filed,)


def test_a_disposition_the_workflow_has_set_stands_when_it_fails():
    states = {"begin": {"actions": [{"type": "setDisposition", "disposition": "CALLBACK"}, *ROUND["a"]["actions"]]}}
    news = step(a_definition(a_workflow(states=states | ROUND, maxActions=5)), an_enrollment(), Started(), NOW)

    assert (news.enrollment.status, news.enrollment.disposition) == (EnrollmentStatus.FAILED, "CALLBACK")


def test_who_was_reached_stays_so_when_the_workflow_fails():
    wait = {"type": "waitForOutcome", "of": "sendSms-1", "timeout": "never"}
    states = {"begin": {"actions": [TEXT, wait, *ROUND["a"]["actions"]]}} | ROUND
    definition = a_definition(a_workflow(states=states, maxActions=9))
    sent = step(definition, an_enrollment(), Started(), NOW)
    (key,) = sent.enrollment.messages
    waiting = step(definition, sent.enrollment, HandedOver(message=key), NOW).enrollment
    news = step(definition, waiting, Settled(message=key, disposition="SMS_DELIVERED", category="DELIVERED"), NOW)

    assert (news.enrollment.status, news.enrollment.disposition) == (EnrollmentStatus.FAILED, "SMS_DELIVERED")
