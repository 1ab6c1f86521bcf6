"""An audience before its launch: how many, where, reached how, who is left out and why, and what some would get.

1. It counts as the launch will choose, over everybody, in one pass of the database.
2. The sample is spread over the audience and the same each time. Addresses are masked, also within the messages, unless
   they are asked for.
3. Nothing is created, and nothing leaves.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from worker.domain.audience_counts import AudienceCounts
from worker.domain.enrollment import Recipient
from worker.domain.faults import Invalid
from worker.engine.definition import Definition, compile_definition
from worker.engine.preview import Draft, drafts, needs
from worker.runtime.audience_checks import check_audience
from worker.runtime.bootstrap import Runtime
from worker.runtime.errors import CannotLaunch
from worker.runtime.preflight import Launch, Snapshot, gather
from worker.store.document_rows import DocumentType
from worker.store.rows import ContactRow

SAMPLE: Final = 10
_ADDRESS_KEYS: Final = ("phone", "mobile", "email")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """One person of the audience, and every message their workflow may send them."""

    contact_id: str
    phone: str = field(repr=False)
    email: str = field(repr=False)
    timezone: str
    drafts: tuple[Draft, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What is known before a launch. `lists`: names of contact lists by id; `blocks` and `warns` as at a launch."""

    campaign_id: str
    counts: AudienceCounts
    lists: Mapping[str, str]
    blocks: tuple[str, ...]
    warns: tuple[str, ...]
    sample: tuple[Sampled, ...]

    def as_json(self) -> dict[str, Any]:
        counts = self.counts
        return {
            "campaignId": self.campaign_id,
            "total": counts.total,
            "candidates": counts.candidates,
            "outsideSegment": counts.outside,
            "excluded": [
                {
                    "reason": excluded.reason,
                    "of": excluded.of,
                    "name": self.lists.get(excluded.of, ""),
                    "people": people,
                }
                for excluded, people in counts.excluded
            ],
            "countries": _falling(counts.countries),
            "timezones": _falling(counts.timezones),
            "channels": {
                channel: {"reachable": reach.reachable, "suppressed": reach.suppressed, "without": reach.without}
                for channel, reach in counts.channels.items()
            },
            "suppressed": counts.suppressed,
            "withoutAddress": counts.without,
            "lacking": {".".join(("contact", *path)): people for path, people in counts.lacking.items() if people},
            "blocks": self.blocks,
            "warnings": self.warns,
            "sample": [_person(one) for one in self.sample],
        }


def preview(rt: Runtime, request: Launch, *, people: int = SAMPLE, show_addresses: bool = False) -> Preview:
    """Look at the audience of a launch, and at so many of its people.

    Raises NotFound, and CannotLaunch where nobody can say who it would be.
    """
    snapshot = gather(rt, request)
    if snapshot.chosen is None:
        raise CannotLaunch(["people come to this campaign by events; name a list or a segment to look at one"])
    if snapshot.chosen.faults:
        raise CannotLaunch(list(snapshot.chosen.faults))
    definition = _definition(rt, snapshot)
    now = rt.now()
    selection = snapshot.chosen.selection(now)
    counts = rt.store.count_audience(
        request.tenant_id, selection, channels=definition.channels, needed=needs(definition).keys()
    )
    found = check_audience(rt, snapshot.chosen, definition, now, everyone=request.everyone)
    sample = rt.store.audience_sample(request.tenant_id, selection, people) if people else []
    lists = rt.store.list_documents(request.tenant_id, DocumentType.CONTACT_LIST)
    return Preview(
        campaign_id=snapshot.campaign.id,
        counts=counts,
        lists={document.id: document.name for document in lists},
        blocks=found.blocks,
        warns=found.warns,
        sample=tuple(_sampled(rt, definition, row, show_addresses=show_addresses) for row in sample),
    )


def masked(address: str) -> str:
    """An address that tells its country or its domain, and no more: +49…78, a…@example.com."""
    name, at, domain = address.rpartition("@")
    if at:
        return f"{name[:1]}…@{domain}"
    return f"{address[:3]}…{address[-2:]}" if address else ""


def _definition(rt: Runtime, snapshot: Snapshot) -> Definition:
    try:
        return compile_definition(
            campaign=snapshot.campaign.data,
            workflows=snapshot.workflows,
            dispositions=snapshot.dispositions,
            options={"defaultTimezone": rt.settings.default_timezone},
        )
    except Invalid as error:
        raise CannotLaunch([str(fault) for fault in error.faults]) from None


def _sampled(rt: Runtime, definition: Definition, row: ContactRow, *, show_addresses: bool) -> Sampled:
    recipient = Recipient(
        contact_id=row.contact_id, phone=row.phone, email=row.email, timezone=row.timezone, fields=row.fields
    )
    found = tuple(drafts(definition, recipient, rt.now(), blocked=row.blocked))
    phone, email = row.phone, row.email
    if not show_addresses:
        phone, email = masked(phone), masked(email)
        found = tuple(_without_addresses(draft, row) for draft in found)
    return Sampled(contact_id=row.contact_id, phone=phone, email=email, timezone=row.timezone, drafts=found)


def _without_addresses(draft: Draft, row: ContactRow) -> Draft:
    """The message with every address of the person masked that is spelled as we know it."""
    kept = (row.fields.get(key) for key in _ADDRESS_KEYS)
    known = {text for text in (row.phone, row.email, draft.to, *kept) if isinstance(text, str) and text}
    pattern = re.compile("|".join(re.escape(text) for text in sorted(known, key=len, reverse=True)), re.IGNORECASE)
    content = _replaced(draft.content, pattern) if known else draft.content
    return replace(draft, to=masked(draft.to), content=content)


def _replaced(part: Any, pattern: re.Pattern[str]) -> Any:
    if isinstance(part, str):
        return pattern.sub(lambda found: masked(found[0]), part)
    return {key: _replaced(below, pattern) for key, below in part.items()} if isinstance(part, Mapping) else part


def _falling(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _person(one: Sampled) -> dict[str, Any]:
    return {
        "contactId": one.contact_id,
        "phone": one.phone,
        "email": one.email,
        "timezone": one.timezone,
        "messages": [
            {
                "state": draft.state,
                "action": draft.action,
                "channel": draft.channel,
                "to": draft.to,
                "content": dict(draft.content),
                "problem": draft.problem,
            }
            for draft in one.drafts
        ],
    }
