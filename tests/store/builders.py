"""Short ways to a run with people in it, and to what happens to them."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from channels.messages import ChannelKind
from worker.domain.attempt import AttemptStatus, MessageStatus, Settlement
from worker.domain.campaign import Campaign
from worker.domain.dispositions import DispositionBook
from worker.domain.effects import Dispatch, Transition
from worker.domain.enrollment import EnrollmentStatus, Frame, MessageKey
from worker.domain.run import Run, RunStatus
from worker.store.codec import new_id
from worker.store.rows import ContactRow, StepCommit

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LEASE = timedelta(seconds=90)
OVER = timedelta(seconds=-1)  # a lease that has run out when it is taken
TENANT = "acme"
STRANGER = "other"
KEY = MessageKey("hello", "text", 1)


def people(count, prefix="1555"):
    return [ContactRow(phone=f"+{prefix}{n:07}", fields={"firstName": f"N{n}"}) for n in range(count)]


def new_run(store, count=3, tenant=TENANT, **changes):
    """A running run over a list of `count` people, nobody enrolled yet."""
    run = Run(
        tenant_id=tenant,
        run_id=new_id(),
        campaign_id="campaign",
        status=RunStatus.RUNNING,
        campaign={"name": "Autumn"},
        workflows={},
        dispositions=(),
        options={"speed": 1},
        contact_list_id=new_id(),
        enrolled=False,
        created_at=NOW,
    )
    run = replace(run, **changes)
    if count:
        store.import_contacts(tenant, run.contact_list_id, people(count), NOW)
    store.create_run(run)
    return run.run_id


def enrolled_run(store, count=3, tenant=TENANT, **changes):
    run_id = new_run(store, count, tenant, **changes)
    while store.enroll_chunk(tenant, run_id, 1000, NOW).more:
        pass
    return run_id


def claim_steps(store, run_id, limit=100, tenant=TENANT, *, lease=LEASE, now=NOW, owner="me"):
    return store.claim_enrollments(tenant, run_id, owner=owner, limit=limit, lease=lease, now=now)


def step_to(claim, status=EnrollmentStatus.WAITING, due_at=None, effects=(), **changes):
    """The commit of a step that came to this."""
    frames = () if status is not EnrollmentStatus.WAITING else (Frame(function="", state="hello"),)
    enrollment = replace(claim.enrollment, status=status, frames=frames, **changes)
    return StepCommit(claim=claim, transition=Transition(enrollment=enrollment, effects=tuple(effects), due_at=due_at))


def text_to(claim, key=KEY, channel=ChannelKind.SMS, to=None):
    address = claim.enrollment.recipient.phone if to is None else to
    return Dispatch(key=key, channel=channel, to=address, sender="+15550001111", content={"body": "hello"})


def queued_run(store, count=3, tenant=TENANT, key=KEY):
    """A run in which everybody waits for the outcome of one text that is queued."""
    run_id = enrolled_run(store, count, tenant)
    claims = claim_steps(store, run_id, 10_000, tenant)
    assert store.commit_steps([step_to(c, effects=[text_to(c, key)]) for c in claims], NOW) == count
    return run_id


@dataclass(frozen=True)
class Rules:
    """All channels on, nothing filed in a way of its own."""

    channels: frozenset = frozenset(ChannelKind)
    book: DispositionBook = field(default_factory=lambda: DispositionBook(Campaign(name="Autumn")))


def claim_texts(store, run_id, limit=100, tenant=TENANT, **changes):
    options = {"lease": LEASE, "now": NOW, "provider": "twilio", "rules": Rules()} | changes
    return store.claim_messages(tenant, run_id, ChannelKind.SMS, limit=limit, **options)


def accepted(facts, ref="", **changes):
    return Settlement(
        facts=facts,
        attempt_status=AttemptStatus.ACCEPTED,
        message_status=MessageStatus.ACCEPTED,
        rank=1,
        due_at=NOW + timedelta(hours=6),
        provider_ref=ref,
        **changes,
    )


def delivered(facts, **changes):
    return Settlement(
        facts=facts,
        attempt_status=AttemptStatus.ACCEPTED,
        message_status=MessageStatus.SETTLED,
        rank=4,
        disposition="SMS_DELIVERED",
        category="DELIVERED",
        **changes,
    )
