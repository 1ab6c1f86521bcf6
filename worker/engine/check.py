"""Whether a campaign and its workflow can run: everything that can be known before the first contact is.

1. All faults at once, each with its path into the workflow; into another workflow that it calls by
   ("workflows", id, …); into the campaign by ("workflowId",), ("triggers", …) and ("cancelOn", …).
2. How states hang together is judged only when every target exists: else one slip would look like many.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

from channels.messages import ChannelKind
from worker.domain.campaign import Campaign
from worker.domain.disposition import Disposition
from worker.domain.dispositions import DispositionBook
from worker.domain.faults import Fault, Path
from worker.domain.workflow import Workflow
from worker.engine import plan
from worker.engine.check_names import unknown_names
from worker.engine.check_paths import stray_paths
from worker.engine.compile import Compiler
from worker.engine.definition import senders_of
from worker.engine.triggers import listening_faults

_SWITCHES: Mapping[ChannelKind, tuple[str, str]] = {
    ChannelKind.SMS: ("useForSMS", "smsFromAddress"),
    ChannelKind.EMAIL: ("useForEmail", "emailFromAddress"),
    ChannelKind.VOICE: ("useForOutbound", "callerId"),
}


def check(
    campaign: Campaign,
    workflows: Mapping[str, Workflow],
    dispositions: Sequence[Disposition],
    contact_fields: Collection[str] | None = None,
) -> list[Fault]:
    """Everything that is wrong with a campaign's workflow. `contact_fields` None: they are not known yet."""
    if campaign.workflow_id not in workflows:
        return [Fault(("workflowId",), f"there is no workflow {campaign.workflow_id}", "link one that exists")]
    book = DispositionBook(campaign, dispositions)
    compiler = Compiler(workflows, campaign.workflow_id, senders_of(campaign), book)
    compiler.run()
    faults = list(compiler.faults)
    faults += unknown_names(compiler, campaign, contact_fields)
    faults += _channels(compiler.flows, campaign)
    faults += _unknown_messages(compiler.flows)
    faults += listening_faults(campaign)
    if compiler.resolved:
        faults += stray_paths(compiler.flows)
    return faults


def _place(flow: plan.Flow, step: plan.Step, *key: str | int) -> Path:
    """Where an action, or a property of it, stands, seen from the campaign's own workflow."""
    return (*flow.document, *step.place, *key)


def _channels(flows: Mapping[str, plan.Flow], campaign: Campaign) -> Iterator[Fault]:
    for flow in flows.values():
        for step in flow.steps():
            if not isinstance(step, plan.Send | plan.AwaitReply):
                continue
            switch, sender = _SWITCHES[step.channel]
            if step.channel not in campaign.channels:
                hint = f"set {switch} to true in the campaign, or remove the action"
                yield Fault(_place(flow, step), f"needs {step.channel}, which is off in the campaign", hint)
            elif isinstance(step, plan.Send) and not step.sender:
                hint = f"set {sender} in the campaign, or from in the action"
                yield Fault(_place(flow, step), f"has no sender for {step.channel}", hint)


def _unknown_messages(flows: Mapping[str, plan.Flow]) -> Iterator[Fault]:
    sends = {step.id for flow in flows.values() for step in flow.steps() if isinstance(step, plan.Send)}
    for flow in flows.values():
        for step in flow.steps():
            if isinstance(step, plan.AwaitOutcome) and step.of and step.of not in sends:
                hint = f"one of {', '.join(sorted(sends))}" if sends else "add one"
                yield Fault(_place(flow, step, "of"), f"no action {step.of} sends anything", hint)
