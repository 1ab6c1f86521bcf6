"""Everything a launch needs, gathered and checked before anything is created; all that is wrong is said at once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from worker.domain.audience import Audience
from worker.domain.base import closest, references
from worker.domain.campaign import Campaign, CampaignType
from worker.domain.disposition import Disposition
from worker.domain.run import UNDER_WAY
from worker.domain.schedule import ContactDate
from worker.domain.workflow import called_workflows, parse_workflow
from worker.engine.check import check
from worker.engine.definition import compile_definition
from worker.runtime.audience_checks import Findings, check_audience
from worker.runtime.bootstrap import Runtime
from worker.runtime.errors import CannotLaunch, NotFound
from worker.runtime.mailers import account_reasons, accounts_of
from worker.runtime.personal import personal_reasons
from worker.runtime.probing import probe
from worker.runtime.selecting import Chosen, choose, over
from worker.runtime.settings import missing_credentials
from worker.store.document_rows import Document, DocumentType
from worker.store.errors import AlreadyRunning
from worker.store.runs import audience_key

_ANYBODY: Final = Audience()


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What to launch over whom. `campaign` and `contact_list` are ids or names.

    `audience` goes before the campaign's own; `contact_list` is short for one list of it. Without either it is the only
    list there is. `speed`: how many seconds of the workflow's waits pass in one; more than 1 is a rehearsal and is
    refused when a provider is not on this machine. `documents`: definitions that come with the launch; they go before
    saved ones, and are saved unless it is refused. `again`: also while another run of this campaign over this audience
    is going on. `replace`: take the events of the run that listens. `limit`: people at most; 0: all. `canary`: the part
    that goes first, like `1%` or `500`. `draft`: keep it, start nothing. `everyone`: all contacts are meant.
    """

    tenant_id: str
    campaign: str
    contact_list: str = ""
    audience: Audience = _ANYBODY
    speed: float = 1.0
    documents: tuple[Document, ...] = ()
    again: bool = False
    replace: bool = False
    limit: int = 0
    canary: str = ""
    draft: bool = False
    at: datetime | None = None
    everyone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The documents a run keeps: the campaign, the workflows it runs, the tenant's dispositions; and whom it is for.

    `chosen` is None for a run that listens: its people come by events.
    """

    campaign: Document
    chosen: Chosen | None
    workflows: Mapping[str, Mapping[str, Any]] = field(repr=False)
    dispositions: tuple[Mapping[str, Any], ...] = field(repr=False)
    email_accounts: Mapping[str, Mapping[str, Any]] = field(repr=False)
    """Of the tenant, by id."""

    @property
    def only_list(self) -> str:
        """The id of its list, where it is one list and nothing else."""
        lists = self.chosen.wire.get("lists", []) if self.chosen else []
        return str(lists[0]) if len(lists) == 1 else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What the checks of a launch found: `blocks` stand in its way, `warns` do not. Sentences for people."""

    blocks: tuple[str, ...] = ()
    warns: tuple[str, ...] = ()


def gather(rt: Runtime, request: Launch) -> Snapshot:
    """Read what the launch names. Raises NotFound."""
    found = _find_campaign(rt, request)
    workflows = _documents(rt, request, DocumentType.WORKFLOW)
    needed = _reachable(str(found.data.get("workflowId", "")), workflows)
    campaign = Campaign.parse(found.data, rt.settings.default_region)
    return Snapshot(
        campaign=_with_joined(rt, request, found),
        chosen=None if listens(request, campaign) else _chosen(rt, request, campaign),
        workflows={workflow_id: workflows[workflow_id] for workflow_id in needed},
        dispositions=tuple(_documents(rt, request, DocumentType.DISPOSITION).values()),
        email_accounts=_documents(rt, request, DocumentType.EMAIL_ACCOUNT) if campaign.email_account_ids else {},
    )


def listens(request: Launch, campaign: Campaign) -> bool:
    """Whether the launch opens a run for whoever comes by events, rather than one over an audience."""
    return bool(campaign.enters_on) and not _said(request).is_said


def _chosen(rt: Runtime, request: Launch, campaign: Campaign) -> Chosen:
    said = over(_said(request), campaign.meant_for)
    return choose(rt, said, request.documents, everyone=request.everyone)


def _said(request: Launch) -> Audience:
    lists = (request.contact_list, *request.audience.lists) if request.contact_list else request.audience.lists
    return replace(request.audience, lists=lists)


def check_launch(rt: Runtime, request: Launch, snapshot: Snapshot) -> Checked:
    """Everything that stands in the way of this launch, and what should be known before it."""
    campaign = Campaign.parse(snapshot.campaign.data, rt.settings.default_region)
    blocks = [
        *_reasons_of_place(rt, request, campaign),
        *_reasons_of_content(rt, request, campaign, snapshot),
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
        campaign=snapshot.campaign.data, workflows=snapshot.workflows, dispositions=snapshot.dispositions
    )
    return check_audience(rt, snapshot.chosen, definition, rt.now(), everyone=request.everyone)


def _reasons_of_a_person(rt: Runtime, request: Launch, campaign: Campaign, snapshot: Snapshot) -> Iterator[str]:
    """A PERSONAL campaign belongs to one user; documents are read only for one."""
    if campaign.type is not CampaignType.PERSONAL or snapshot.chosen is None or snapshot.chosen.faults:
        return
    wire = snapshot.chosen.wire
    lists = _documents(rt, request, DocumentType.CONTACT_LIST)
    people = rt.store.audience_size(request.tenant_id, snapshot.chosen.selection(rt.now()))
    yield from personal_reasons(
        campaign,
        _documents(rt, request, DocumentType.USER),
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


def _reasons_of_listening(request: Launch, campaign: Campaign) -> Iterator[str]:
    """A run that listens takes whoever its events name: what would narrow that must not be thought to."""
    if campaign.meant_for != _ANYBODY or _said(request) != _ANYBODY:
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


def canary_share(rt: Runtime, request: Launch, snapshot: Snapshot, now: datetime) -> float:
    """The part of the audience that goes first, between 0 and 1; 0: nobody does. Raises CannotLaunch."""
    said = request.canary.strip()
    if not said or snapshot.chosen is None:
        return 0
    try:
        value = float(said.removesuffix("%"))
    except ValueError:
        value = 0
    size = (
        100.0
        if said.endswith("%")
        else float(rt.store.audience_size(request.tenant_id, snapshot.chosen.selection(now)))
    )
    if not 0 < value < max(size, 1):
        raise CannotLaunch([f"the canary {said!r} is no part of the audience; write it like 1% or 500"])
    return value / size


def _find_campaign(rt: Runtime, request: Launch) -> Document:
    key = request.campaign
    for document in request.documents:
        if document.type == DocumentType.CAMPAIGN and key in (document.id, document.name):
            return document
    found = rt.store.find_document(request.tenant_id, DocumentType.CAMPAIGN, key)
    if found is None:
        raise NotFound(
            f"there is no saved campaign, and no file or folder, {key!r}; check the name, or `campaigns save` it"
        )
    return found


def _with_joined(rt: Runtime, request: Launch, campaign: Document) -> Document:
    """The campaign with the dispositions that join documents add to it."""
    joins = _documents(rt, request, DocumentType.CAMPAIGN_DISPOSITION).values()
    joined = [str(join["dispositionId"]) for join in joins if join.get("campaignId") == campaign.id]
    if not joined:
        return campaign
    own = references(campaign.data.get("dispositions"), "dispositionId")
    return replace(campaign, data={**campaign.data, "dispositions": list(dict.fromkeys([*own, *joined]))})


def _documents(rt: Runtime, request: Launch, kind: DocumentType) -> dict[str, Mapping[str, Any]]:
    """The documents of this kind by id: the saved ones, and those that come with the launch."""
    documents = [*rt.store.list_documents(request.tenant_id, kind), *request.documents]
    return {document.id: document.data for document in documents if document.type == kind}


def _reachable(first: str, workflows: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """The workflow and those it calls, and those they call; ids that do not exist are left to the checks."""
    found: set[str] = set()
    waiting = {first}
    while waiting:
        workflow_id = waiting.pop()
        if workflow_id in workflows and workflow_id not in found:
            found.add(workflow_id)
            waiting |= called_workflows(parse_workflow(workflows[workflow_id]))
    return found
