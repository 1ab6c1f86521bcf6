"""Everything a launch needs, gathered before anything is created; `launch_checks` says what is wrong with it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from worker.domain.audience import ANYBODY, Audience, read_audience
from worker.domain.base import references
from worker.domain.campaign import Campaign
from worker.domain.queue_event import read_event
from worker.domain.run import Run
from worker.domain.workflow import called_workflows, parse_workflow
from worker.runtime.bootstrap import Runtime
from worker.runtime.errors import CannotLaunch, NotFound
from worker.runtime.selecting import Chosen, choose, chosen_before, over, unused
from worker.store.document_rows import Document, DocumentType
from worker.store.event_traces import told


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What to launch over whom. `campaign` and `contact_list` are ids or names.

    `audience` goes before the campaign's own as `selecting.over` has it; `contact_list` is short for one list of it.
    Without either it is the only list there is. `speed`: how many seconds of the workflow's waits pass in one; more
    than 1 is a rehearsal and is refused when a provider is not on this machine. `documents`: definitions that come with
    the launch; they go before saved ones, and are saved unless it is refused. `again`: also while another run of this
    campaign over this audience is going on. `replace`: take the events of the run that listens. `limit`: people at
    most; 0: all. `canary`: the part that goes first, like `1%` or `500`. `draft`: keep it, start nothing. `at`: when it
    starts by itself, with its zone. `everyone`: all contacts are meant. `event`: what people who are named enter by, as
    `example_event` gives it. `despite_failures`: also if more people lack what templates put out than the guard allows.
    """

    tenant_id: str
    campaign: str
    contact_list: str = ""
    audience: Audience = ANYBODY
    speed: float = 1.0
    documents: tuple[Document, ...] = ()
    again: bool = False
    replace: bool = False
    limit: int = 0
    canary: str = ""
    draft: bool = False
    at: datetime | None = None
    everyone: bool = False
    despite_failures: bool = False
    event: Mapping[str, Any] | None = field(default=None, repr=False)

    @property
    def said(self) -> Audience:
        """The audience it says, its list among the others."""
        lists = (self.contact_list, *self.audience.lists) if self.contact_list else self.audience.lists
        return replace(self.audience, lists=lists)


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


def gather(rt: Runtime, request: Launch) -> Snapshot:
    """Read what the launch names. Raises NotFound."""
    found = _find_campaign(rt, request)
    workflows = documents_of(rt, request, DocumentType.WORKFLOW)
    needed = _reachable(str(found.data.get("workflowId", "")), workflows)
    campaign = Campaign.parse(found.data, rt.settings.default_region)
    return Snapshot(
        campaign=_with_joined(rt, request, found),
        chosen=None if listens(request, campaign) else _chosen(rt, request, campaign),
        workflows={workflow_id: workflows[workflow_id] for workflow_id in needed},
        dispositions=tuple(documents_of(rt, request, DocumentType.DISPOSITION).values()),
        email_accounts=documents_of(rt, request, DocumentType.EMAIL_ACCOUNT) if campaign.email_account_ids else {},
    )


def kept(rt: Runtime, run: Run) -> Snapshot:
    """What a draft is of, with the tenant's email accounts as they are now: one switched off since sends nothing."""
    campaign = Campaign.parse(run.campaign, rt.settings.default_region)
    own = run.selection or ({"lists": [run.contact_list_id]} if run.contact_list_id else {})
    largest = said_again(run).audience.largest or campaign.meant_for.largest
    accounts = rt.store.list_documents(run.tenant_id, DocumentType.EMAIL_ACCOUNT) if campaign.email_account_ids else ()
    return Snapshot(
        campaign=Document(type=DocumentType.CAMPAIGN, id=run.campaign_id, name=campaign.name, data=run.campaign),
        chosen=chosen_before(rt, own, largest) if own else None,
        workflows=run.workflows,
        dispositions=run.dispositions,
        email_accounts={document.id: document.data for document in accounts},
    )


def said_again(run: Run) -> Launch:
    """The launch that made this run, as it is to be made again when the run starts."""
    said: Mapping[str, Any] = run.options.get("said", {})
    return Launch(
        tenant_id=run.tenant_id,
        campaign=run.campaign_id,
        audience=read_audience(said.get("audience"))[0],
        speed=float(run.options.get("speed", 1)),
        again=bool(said.get("again", False)),
        replace=bool(said.get("replace", False)),
        limit=int(run.options.get("limit", 0)),
        canary=str(said.get("canary", "")),
        everyone=bool(said.get("everyone", False)),
        despite_failures=bool(said.get("despiteFailures", False)),
        event=run.options.get("start"),
    )


def example_event(rt: Runtime, written: Any) -> Mapping[str, Any]:
    """An event as templates see it, of one as it would be sent; whom it is about does not matter. Raises Invalid."""
    if isinstance(written, Mapping):
        written = {"key": "example", **written, "contact": {"contactId": "example"}}
    return told(read_event(written, received_at=rt.now(), region=rt.settings.default_region))


def listens(request: Launch, campaign: Campaign) -> bool:
    """Whether the launch opens a run for whoever comes by events, rather than one over an audience."""
    return bool(campaign.enters_on) and not request.said.is_said


def _chosen(rt: Runtime, request: Launch, campaign: Campaign) -> Chosen:
    said = request.said
    chosen = choose(rt, over(said, campaign.meant_for), request.documents, everyone=request.everyone)
    return replace(chosen, warns=tuple(unused(said, campaign.meant_for)))


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
    joins = documents_of(rt, request, DocumentType.CAMPAIGN_DISPOSITION).values()
    joined = [str(join["dispositionId"]) for join in joins if join.get("campaignId") == campaign.id]
    if not joined:
        return campaign
    own = references(campaign.data.get("dispositions"), "dispositionId")
    return replace(campaign, data={**campaign.data, "dispositions": list(dict.fromkeys([*own, *joined]))})


def documents_of(rt: Runtime, request: Launch, kind: DocumentType) -> dict[str, Mapping[str, Any]]:
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
