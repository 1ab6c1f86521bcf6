"""A campaign, its definition, a contact and an attempt, as small as a test needs them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from channels.messages import ChannelKind
from worker.domain.attempt import AttemptFacts, AttemptStatus, MessageStatus
from worker.domain.campaign import Campaign
from worker.domain.enrollment import Enrollment, MessageKey, Recipient
from worker.domain.workflow import Workflow, parse_workflow
from worker.engine.definition import Definition, compile_definition

CAMPAIGN: Mapping[str, Any] = {
    "campaignId": "cmp_1",
    "name": "Renewal",
    "workflowId": "wf_1",
    "useForSMS": True,
    "useForEmail": True,
    "useForOutbound": True,
    "smsFromAddress": "+15550001111",
    "emailFromAddress": "renewals@example.com",
    "callerId": "+15550002222",
}

CONTACT: Mapping[str, Any] = {
    "contact_id": "c_1",
    "phone": "+15557654321",
    "email": "ada@example.org",
    "timezone": "America/New_York",
    "fields": {"firstName": "Ada"},
}

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
"""A Monday, 10:00 in New York."""


def a_campaign(**changes: Any) -> Campaign:
    return Campaign.parse({**CAMPAIGN, **changes})


def a_workflow(*actions: Mapping[str, Any], states: Any = None, **more: Any) -> Workflow:
    """One state with these actions, or these states."""
    return parse_workflow(
        {"workflowId": "wf_1", "name": "w", "states": states or {"begin": {"actions": list(actions)}}, **more}
    )


def a_definition(workflow: Workflow, options: Any = None, **changes: Any) -> Definition:
    return compile_definition(campaign={**CAMPAIGN, **changes}, workflows={"wf_1": workflow.to_wire()}, options=options)


def an_enrollment(**changes: Any) -> Enrollment:
    return Enrollment(enrollment_id="enr_1", recipient=Recipient(**{**CONTACT, **changes}))


def an_attempt(channel: ChannelKind = ChannelKind.SMS, **changes: Any) -> AttemptFacts:
    """The first attempt of a message, just before the call."""
    facts = AttemptFacts(
        tenant_id="t",
        run_id="r",
        enrollment_id="enr_1",
        message_id="m_1",
        key=MessageKey("begin", "sendSms-1", 1),
        attempt_id="att_1",
        channel=channel,
        status=AttemptStatus.DISPATCHING,
        message_status=MessageStatus.DISPATCHING,
        number=1,
        counted=0,
        rank=0,
        to="+15557654321",
        sender="+15550001111",
        content={"body": "x"},
        dispatched_at=NOW,
    )
    return replace(facts, **changes)
