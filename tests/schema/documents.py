"""Documents that are right, to be changed by tests."""

from typing import Any

from worker.schema.scopes import Actor
from worker.schema.service import SchemaService

WORKFLOW: dict[str, Any] = {
    "name": "Remind",
    "states": {"begin": {"actions": [{"type": "sendEmail", "subject": "Renewal", "text": "It is time."}]}},
}
CAMPAIGN: dict[str, Any] = {
    "name": "Renewal Q4",
    "description": "Everybody whose contract ends this year",
    "useForEmail": True,
    "emailFromAddress": "renewals@example.com",
    "callerId": "+18885551212",
}


def make_workflow(service: SchemaService, actor: Actor, **changes: Any) -> str:
    """Create a workflow that mails; its id."""
    return str(service.create(actor, "workflow", WORKFLOW | changes)["workflowId"])


def make_campaign(service: SchemaService, actor: Actor, **changes: Any) -> dict[str, Any]:
    """Create a campaign, with a workflow of its own unless one is named."""
    if "workflowId" not in changes:
        changes["workflowId"] = make_workflow(service, actor, name=f"for {changes.get('name', 'it')}")
    return service.create(actor, "campaign", CAMPAIGN | changes)
