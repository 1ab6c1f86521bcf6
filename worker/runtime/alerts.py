"""Tells supervisors and the operator's webhook what has happened to a run; any worker does, at least once each.

1. An alert is written with what it tells of (`store.alerts`); whom it is for is found out when it is delivered.
2. Mail goes to the enabled users whom the campaign names as supervisors, or a `supervisorcampaign` document does,
   unless its `notify` leaves mail out. It comes from ALERT_EMAIL_FROM, else from the campaign's own sender.
3. Ids, counts and reasons of our own only.
4. What was launched in a sandbox is told of there, and the other way round.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

import structlog

from channels.errors import InvalidSettings
from channels.messages import ChannelKind, Email, is_email
from channels.results import Certainty
from worker.domain.alert import ATTEMPT_PREFIX, Alert, AlertKind
from worker.domain.base import references
from worker.domain.campaign import Campaign, CampaignSupervisor
from worker.domain.run import Run
from worker.domain.user import User
from worker.runtime import webhook
from worker.runtime.bootstrap import Runtime
from worker.runtime.make_run import is_ours
from worker.store.codec import millis
from worker.store.document_rows import DocumentType

log = structlog.get_logger()

BATCH: Final = 10
LEASE: Final = timedelta(seconds=120)
WEBHOOK: Final = "webhook"
BY_MAIL: Final = "email"

_HAPPENED: Final[Mapping[AlertKind, str]] = {
    AlertKind.AUTO_PAUSED: "was paused by its guard",
    AlertKind.CANARY_FAILED: "was paused: its canary failed",
    AlertKind.FINISHED: "has finished",
    AlertKind.FAILED: "has failed",
    AlertKind.ERROR_RATE: "has crossed a bound and goes on",
    AlertKind.MISSED_SCHEDULE: "has missed its time",
}
_GOES_ON_BY: Final = frozenset({AlertKind.AUTO_PAUSED, AlertKind.CANARY_FAILED})


async def deliver(rt: Runtime) -> int:
    """Deliver what is due. Returns how many alerts everybody has been told of by now."""
    tenant_id, done = rt.settings.tenant_id, 0
    for alert in rt.store.claim_alerts(tenant_id, limit=BATCH, lease=LEASE):
        told = list(alert.told)
        missing = await _tell(rt, alert, told)
        if missing:
            log.warning("an alert has not reached everybody", alert=alert.alert_id, missing=missing)
        rt.store.note_told(tenant_id, alert, told, rt.now(), missing=missing)
        done += not missing
    return done


async def _tell(rt: Runtime, alert: Alert, told: list[str]) -> str:
    """Tell whoever has not been told, and note it in `told`. Returns who is left, and why."""
    tenant_id = rt.settings.tenant_id
    run = rt.store.get_run(tenant_id, alert.run_id)
    if not is_ours(rt, run):
        return "the run was launched against other providers than ours"
    content = _content(rt, alert, run)
    left: list[str] = []
    if rt.settings.alert_webhook_url and WEBHOOK not in told:
        problem = await _post(rt, alert, content)
        _note(WEBHOOK, problem, told, left)
    for user_id, address in _supervisors(rt, run):
        if user_id not in told:
            problem = await _mail(rt, alert, run, content["data"], (user_id, address))
            _note(user_id, problem, told, left)
    return "; ".join(left)


def _note(target: str, problem: str, told: list[str], left: list[str]) -> None:
    if problem:
        left.append(f"{target}: {problem}")
    else:
        told.append(target)


def _content(rt: Runtime, alert: Alert, run: Run) -> dict[str, Any]:
    report = rt.store.run_report(run.tenant_id, run.run_id)
    return {
        "type": f"run.{alert.kind}",
        "timestamp": alert.at.isoformat(),
        "data": {
            "tenantId": run.tenant_id,
            "campaignId": run.campaign_id,
            "runId": run.run_id,
            "status": run.status,
            **alert.detail,
            "counts": {"audience": report.audience, **report.enrollments},
        },
    }


async def _post(rt: Runtime, alert: Alert, content: Mapping[str, Any]) -> str:
    settings = rt.settings
    return await webhook.post(
        settings.alert_webhook_url,
        settings.alert_webhook_secret.get_secret_value(),
        f"{ATTEMPT_PREFIX}{alert.alert_id}",
        millis(rt.now()) // 1000,
        content,
        timeout_seconds=settings.http_timeout_seconds,
    )


async def _mail(rt: Runtime, alert: Alert, run: Run, facts: Mapping[str, Any], to: tuple[str, str]) -> str:
    """Write to a user, by id and address. Returns what went wrong.

    A mail of unknown fate is written again: an alert twice is no harm.
    """
    user_id, address = to
    campaign = Campaign.parse(run.campaign, rt.settings.default_region)
    sender = rt.settings.alert_email_from or campaign.email_from_address
    if not is_email(address):
        return "has no email address"
    if not sender:
        return "there is no sender; set ALERT_EMAIL_FROM"
    mail = Email(
        attempt_id=f"{ATTEMPT_PREFIX}{alert.alert_id}_{user_id}",
        to=address,
        sender=sender,
        subject=f"{' '.join(campaign.name.split())} {_HAPPENED[alert.kind]}",
        text=_text(alert, facts),
    )
    try:
        channel = rt.channel(ChannelKind.EMAIL)
    except InvalidSettings as error:
        return f"mail is not set up here: {error}"
    [result] = await channel.send([mail])
    return "" if result.certainty is Certainty.ACCEPTED else f"mail {result.certainty} ({result.reason})"


def _text(alert: Alert, facts: Mapping[str, Any]) -> str:
    counts = ", ".join(f"{name} {count}" for name, count in facts["counts"].items())
    lines = [f"Run {facts['runId']} {_HAPPENED[alert.kind]}.", "", facts["reason"], f"People: {counts}", ""]
    if alert.kind in _GOES_ON_BY:
        lines.append(f"To let it go on: campaigns resume {facts['runId']}")
    lines.append(f"To see more: campaigns report {facts['runId']}")
    return "\n".join(lines)


def _supervisors(rt: Runtime, run: Run) -> Iterator[tuple[str, str]]:
    """The id and the mail address of whoever is to be told by mail."""
    for user_id in _named(rt, run):
        document = rt.store.get_document(run.tenant_id, DocumentType.USER, user_id)
        if document is None:
            continue
        user = User.parse(document.data, rt.settings.default_region)
        if user.is_live and user.enabled:
            yield user_id, user.email or user.username


def _named(rt: Runtime, run: Run) -> Iterator[str]:
    """User ids: of the campaign as it was launched, and of the join documents as they are now."""
    documents = rt.store.list_documents(run.tenant_id, CampaignSupervisor.TYPE)
    joins = [CampaignSupervisor.parse(document.data) for document in documents]
    notify = {one.user_id: one.notify for one in joins if one.campaign_id == run.campaign_id}
    named = references(run.campaign.get("supervisor"), "userId")
    for user_id in dict.fromkeys([*named, *notify]):
        if not notify.get(user_id) or BY_MAIL in notify[user_id]:
            yield user_id
