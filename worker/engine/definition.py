"""A definition: all that a step needs to know about the campaign and its workflow, compiled once for each run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from channels.messages import ChannelKind
from worker.domain.campaign import Campaign
from worker.domain.disposition import Disposition
from worker.domain.dispositions import DispositionBook
from worker.domain.email_account import EmailAccount, sender_pool
from worker.domain.faults import Fault, Invalid
from worker.domain.guard import Guard
from worker.domain.run import Run
from worker.domain.workflow import Workflow, parse_workflow
from worker.engine.calendar import zone_of
from worker.engine.compile import Compiler
from worker.engine.plan import Flow, Send

FASTEST: Final = 1_000_000.0
"""The most seconds that may pass in one during a rehearsal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What `step` runs. `campaign` is what templates call `campaign`; `speed` is 1 except in a rehearsal.

    `resend_after`: what the campaign says about messages of unknown fate, see `Campaign.resend_after`. `mailers`: the
    accounts that mail leaves from, in order; none: the installation's own.

    `rehearsal`: launched against providers that reach nobody; None where it was not recorded. `start`: the event that
    everybody enters by for whom no other is known; None: they enter by none.

    `channels`: those that are on; `sends`: those that an action sends on.
    """

    workflow_id: str
    version: int
    flows: Mapping[str, Flow] = field(repr=False)
    senders: Mapping[ChannelKind, str] = field(repr=False)
    channels: frozenset[ChannelKind]
    sends: frozenset[ChannelKind]
    resend_after: Mapping[ChannelKind, timedelta | None]
    campaign: Mapping[str, Any] = field(repr=False)
    book: DispositionBook = field(repr=False)
    guard: Guard
    mailers: tuple[EmailAccount, ...] = field(repr=False)
    speed: float
    rehearsal: bool | None
    start: Mapping[str, Any] | None = field(repr=False)
    zone: ZoneInfo
    max_actions: int

    def zone_for(self, timezone: str) -> ZoneInfo:
        """The contact's zone, or the default one where it is unknown."""
        return zone_of(timezone) or self.zone


def compile_definition(
    *,
    campaign: Mapping[str, Any] | Campaign,
    workflows: Mapping[str, Mapping[str, Any]],
    dispositions: Sequence[Mapping[str, Any]] = (),
    options: Mapping[str, Any] | None = None,
) -> Definition:
    """Compile the documents of a launch. Raises Invalid with every fault.

    `workflows` holds raw documents by id. `options`: `speed` (1 to 1,000,000), `defaultTimezone` (IANA, "UTC"),
    `rehearsal`, `emailAccounts` (their documents, in order) and `start` (an event as templates see it).
    """
    document = campaign if isinstance(campaign, Campaign) else Campaign.parse(campaign)
    parsed: dict[str, Workflow] = {key: parse_workflow(data) for key, data in workflows.items()}
    if document.workflow_id not in parsed:
        hint = "link one that exists"
        raise Invalid("campaign", [Fault(("workflowId",), f"there is no workflow {document.workflow_id}", hint)])
    book = DispositionBook(document, [Disposition.parse(data) for data in dispositions])
    senders = senders_of(document)
    compiler = Compiler(parsed, document.workflow_id, senders, book)
    compiler.run()
    speed, zone = _options(options or {}, compiler.faults)
    if compiler.faults:
        raise Invalid(f"workflow {document.workflow_id}", compiler.faults)
    main = parsed[document.workflow_id]
    return Definition(
        workflow_id=document.workflow_id,
        version=main.version,
        flows=compiler.flows,
        senders=senders,
        channels=document.channels,
        sends=frozenset(s.channel for flow in compiler.flows.values() for s in flow.steps() if isinstance(s, Send)),
        resend_after=document.resend_after,
        campaign=campaign_facts(document),
        book=book,
        guard=document.guarded_by,
        mailers=sender_pool(document.email_from_address, (options or {}).get("emailAccounts", ())),
        speed=speed,
        rehearsal=(options or {}).get("rehearsal"),
        start=(options or {}).get("start"),
        zone=zone,
        max_actions=main.max_actions,
    )


def definition_of(run: Run) -> Definition:
    """The definition of a run, from its snapshots. Raises Invalid."""
    return compile_definition(
        campaign=run.campaign, workflows=run.workflows, dispositions=run.dispositions, options=run.options
    )


def senders_of(campaign: Campaign) -> dict[ChannelKind, str]:
    """What messages come from, by channel."""
    return {channel: campaign.sender(channel) for channel in ChannelKind if campaign.sender(channel)}


def campaign_facts(campaign: Campaign) -> dict[str, Any]:
    """The plain values of the campaign, which templates may use."""
    return {key: value for key, value in campaign.to_wire().items() if isinstance(value, str | int | float | bool)}


def _options(options: Mapping[str, Any], faults: list[Fault]) -> tuple[float, ZoneInfo]:
    speed = options.get("speed", 1.0)
    if isinstance(speed, bool) or not isinstance(speed, int | float) or not 1 <= speed <= FASTEST:
        faults.append(Fault(("options", "speed"), f"must be a number from 1 to {FASTEST:.0f}"))
        speed = 1.0
    name = options.get("defaultTimezone") or "UTC"
    zone = zone_of(name) if isinstance(name, str) else None
    if zone is None:
        faults.append(Fault(("options", "defaultTimezone"), "is no time zone", "write it like America/New_York"))
    return float(speed), zone or ZoneInfo("UTC")
