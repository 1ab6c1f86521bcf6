"""What stands in the way of a launch, and what is only worth knowing; all of it is said at once, nothing is created.

1. The same checks hold at a launch, when a draft is started, and when a scheduled run's moment comes.
2. What costs time, people and providers, is asked only where the rest is good.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from worker.domain.audience import ANYBODY
from worker.domain.base import closest
from worker.domain.campaign import Campaign, CampaignType
from worker.domain.disposition import Disposition
from worker.domain.run import UNDER_WAY
from worker.domain.schedule import ContactDate
from worker.domain.workflow import parse_workflow
from worker.engine.check import check
from worker.engine.definition import compile_definition
from worker.engine.schedule import is_over
from worker.runtime.audience_checks import NOBODY, Findings, check_audience
from worker.runtime.bootstrap import Runtime
from worker.runtime.errors import CannotLaunch
from worker.runtime.mailers import account_reasons, accounts_of
from worker.runtime.personal import personal_reasons
from worker.runtime.preflight import Launch, Snapshot, documents_of
from worker.runtime.probing import probe
from worker.runtime.settings import missing_credentials
from worker.store.document_rows import DocumentType
from worker.store.errors import AlreadyRunning
from worker.store.launches import audience_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What the checks of a launch found: `blocks` stand in its way, `warns` do not. Sentences for people."""

    blocks: tuple[str, ...] = ()
    warns: tuple[str, ...] = ()


def check_launch(rt: Runtime, request: Launch, snapshot: Snapshot) -> Checked:
    """Everything that stands in the way of this launch, and what should be known before it."""
    campaign = Campaign.parse(snapshot.campaign.data, rt.settings.default_region)
    blocks = [
        *_reasons_of_place(rt, request, campaign),
        *_reasons_of_content(rt, request, campaign, snapshot),
        *_reasons_of_schedule(rt, request, campaign),
        *_runs_under_way(rt, request, snapshot),
        *account_reasons(campaign, snapshot.email_accounts),
        *_reasons_of_a_person(rt, request, campaign, snapshot),
    ]
    if blocks:
        return Checked(blocks=tuple(blocks))
    # What costs time is asked only where the rest is good.
    people = _people_found(rt, request, snapshot)
    providers = probe(rt, campaign, accounts_of(campaign, snapshot.email_accounts))
    return Checked(
        blocks=(*people.blocks, *providers.blocks),
        warns=(*people.warns, *providers.warns, *_warnings_of_dates(rt, request, campaign, snapshot)),
    )


def _people_found(rt: Runtime, request: Launch, snapshot: Snapshot) -> Findings:
    """What is to be known of the audience; nothing of one that comes by events."""
    if snapshot.chosen is None:
        return Findings((), ())
    definition = compile_definition(
        campaign=snapshot.campaign.data,
        workflows=snapshot.workflows,
        dispositions=snapshot.dispositions,
        options={"start": request.event},
    )
    found = check_audience(
        rt,
        snapshot.chosen,
        definition,
        rt.now(),
        everyone=request.everyone,
        despite_failures=request.despite_failures,
    )
    blocks = (f"{one}; `campaigns audience` counts why" if one == NOBODY else one for one in found.blocks)
    return Findings(tuple(blocks), found.warns)


def _reasons_of_a_person(rt: Runtime, request: Launch, campaign: Campaign, snapshot: Snapshot) -> Iterator[str]:
    """A PERSONAL campaign belongs to one user; documents are read only for one."""
    if campaign.type is not CampaignType.PERSONAL or snapshot.chosen is None or snapshot.chosen.faults:
        return
    wire = snapshot.chosen.wire
    lists = documents_of(rt, request, DocumentType.CONTACT_LIST)
    people = rt.store.audience_size(request.tenant_id, snapshot.chosen.selection(rt.now()))
    yield from personal_reasons(
        campaign,
        documents_of(rt, request, DocumentType.USER),
        [lists[list_id] for list_id in wire.get("lists", ())],
        people,
        rt.settings.default_region,
    )


def require_launchable(rt: Runtime, request: Launch, snapshot: Snapshot) -> tuple[str, ...]:
    """Raise CannotLaunch with every reason; return what is worth a warning."""
    found = check_launch(rt, request, snapshot)
    if found.blocks:
        raise CannotLaunch(list(found.blocks))
    return found.warns


def _reasons_of_place(rt: Runtime, request: Launch, campaign: Campaign) -> Iterator[str]:
    if request.speed != 1 and not rt.settings.rehearsal:
        yield (
            "a rehearsal at another speed needs providers on this machine;"
            " TWILIO_BASE_URL and SENDGRID_BASE_URL point elsewhere"
        )
    for name in missing_credentials(rt.settings, campaign.channels):
        yield f"{name} is not set; put it into the environment or .env"


def _reasons_of_content(rt: Runtime, request: Launch, campaign: Campaign, snapshot: Snapshot) -> Iterator[str]:
    if request.event is not None and not request.said.people:
        yield "an example event (--event) is for trying it out; name who is to get it with --to, or leave it out"
    if snapshot.chosen is None:
        yield from _reasons_of_listening(request, campaign)
    if not campaign.channels:
        yield "nothing to send: no channel of the campaign is on (useForSMS, useForEmail, useForOutbound)"
    if snapshot.chosen is not None and snapshot.chosen.faults:
        yield from snapshot.chosen.faults
        return
    if (
        snapshot.chosen is not None
        and snapshot.only_list
        and not rt.store.list_size(request.tenant_id, snapshot.only_list)
    ):
        yield f"the contact list {snapshot.chosen.list_names[0]!r} is empty; import contacts first"
        return
    if campaign.workflow_id not in snapshot.workflows:
        yield f"its workflow {campaign.workflow_id!r} does not exist; save it first"
        return
    workflows = {workflow_id: parse_workflow(data) for workflow_id, data in snapshot.workflows.items()}
    dispositions = [Disposition.parse(data) for data in snapshot.dispositions]
    only = snapshot.only_list
    fields = rt.store.contact_fields(request.tenant_id, only) if only else None
    for fault in check(campaign, workflows, dispositions, contact_fields=fields):
        yield str(fault)


def _reasons_of_schedule(rt: Runtime, request: Launch, campaign: Campaign) -> Iterator[str]:
    """Of a schedule by people's dates; one by times is asked for its next when the run is made."""
    schedule = campaign.starts_by
    if schedule is not None and schedule.has_dates and not request.said.people and is_over(schedule, rt.now()):
        yield f"its schedule ended on {schedule.last:%Y-%m-%d}; give it another end, or none"


def _reasons_of_listening(request: Launch, campaign: Campaign) -> Iterator[str]:
    """A run that listens takes whoever its events name: what would narrow that must not be thought to."""
    if campaign.meant_for != ANYBODY or request.said != ANYBODY:
        yield (
            "a campaign with triggers takes whoever its events are about, its audience and exclusions would do nothing;"
            " put them into the conditions of the triggers"
        )
    if campaign.type is CampaignType.PERSONAL:
        yield "a PERSONAL campaign is for people its user names, not for whoever an event is about; remove its triggers"


def _warnings_of_dates(rt: Runtime, request: Launch, campaign: Campaign, snapshot: Snapshot) -> Iterator[str]:
    """A field of dates that is spelled wrong would leave everybody out. Only some people are looked at."""
    timing = campaign.starts_by.timing if campaign.starts_by else None
    if not isinstance(timing, ContactDate) or not snapshot.only_list:
        return
    fields = rt.store.contact_fields(request.tenant_id, snapshot.only_list)
    if timing.field not in fields:
        meant = closest(timing.field, fields)
        hint = f"did you mean {meant}?" if meant else "whoever has none is not enrolled"
        yield f"of those looked at, nobody has a {timing.field}; {hint}"


def _runs_under_way(rt: Runtime, request: Launch, snapshot: Snapshot) -> Iterator[str]:
    """A launch that is repeated by mistake would contact everybody twice."""
    if request.again or request.draft or snapshot.chosen is None:
        return
    wire = snapshot.chosen.wire
    for run in rt.store.find_runs(request.tenant_id, snapshot.campaign.id, statuses=UNDER_WAY):
        if not run.open_ended and audience_key(run.selection, run.contact_list_id) == audience_key(wire):
            yield str(AlreadyRunning(run.run_id, run.status))
