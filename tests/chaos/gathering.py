"""Gathers, at the end of a run, what only our own tables know: who is held, cancelled, and what is left over."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import ColumnElement, Connection, Engine, Table, func, select

from channels.messages import ChannelKind
from tests.chaos.happened import Ending, Held
from tests.chaos.strangers import INVENTED
from worker.domain.attempt import AttemptStatus, MessageStatus
from worker.domain.run import FINAL_RUN
from worker.store.document_tables import contacts
from worker.store.tables import attempts, enrollments, inbox, messages, runs

_DOUBTFUL: Final = (MessageStatus.HELD, MessageStatus.UNKNOWN)
_STEPS: Final = ("first", "mail", "last")


def endings(engine: Engine) -> list[Ending]:
    """Where everybody stands."""
    person = enrollments.c
    query = (
        select(runs.c.campaign_id, contacts.c.phone, person.status, person.disposition, person.reason)
        .join_from(enrollments, contacts, person.contact_id == contacts.c.contact_id)
        .join(runs, runs.c.run_id == person.run_id)
    )
    with engine.connect() as conn:
        return [
            Ending(campaign=_name(campaign), phone=phone, status=status, disposition=disposition, reason=reason)
            for campaign, phone, status, disposition, reason in conn.execute(query).all()
        ]


def held(engine: Engine) -> list[Held]:
    """The messages whose fate nobody knows, each with the attempt in doubt."""
    query = (
        select(
            *(runs.c.campaign_id, contacts.c.phone, messages.c.channel, messages.c.content),
            *(attempts.c.attempt_id, attempts.c.dispatched_at),
        )
        .join_from(messages, runs, messages.c.run_id == runs.c.run_id)
        .join(contacts, contacts.c.contact_id == messages.c.contact_id)
        .join(attempts, attempts.c.message_id == messages.c.message_id)
        .where(messages.c.status.in_(_DOUBTFUL), attempts.c.status == AttemptStatus.UNKNOWN)
    )
    with engine.connect() as conn:
        return [
            Held(
                campaign=_name(campaign),
                phone=phone,
                channel=channel,
                step=next(step for step in _STEPS if f"/{step}/" in content),
                attempt=attempt,
                at=at / 1000,
            )
            for campaign, phone, channel, content, attempt, at in conn.execute(query).all()
        ]


def still_going(engine: Engine) -> int:
    """People and messages that will yet come to an end by themselves.

    A message in doubt may wait for a person. A mail in doubt does, since SendGrid cannot be asked.
    """
    with engine.connect() as conn:
        askable = _count(
            conn, messages, messages.c.status == MessageStatus.UNKNOWN, messages.c.channel != ChannelKind.EMAIL
        )
        under_way = _count(conn, messages, messages.c.status.in_((MessageStatus.DISPATCHING, MessageStatus.ACCEPTED)))
        return _waiting(conn) + askable + under_way


def leftovers(engine: Engine) -> Mapping[str, int]:
    """What should be none when all is over, by name."""
    ended = select(runs.c.run_id).where(runs.c.status.in_(FINAL_RUN))
    ours = inbox.c.event_key.not_like(f"{INVENTED}%")
    queued = messages.c.status == MessageStatus.QUEUED
    open_ones = enrollments.c.finished_at.is_(None)
    with engine.connect() as conn:
        return {
            "news not applied": _count(conn, inbox, inbox.c.processed_at.is_(None), ours),
            "attempts under way": _count(conn, attempts, attempts.c.status == AttemptStatus.DISPATCHING),
            "enrollments leased": _count(conn, enrollments, enrollments.c.lease_until.is_not(None), open_ones),
            "messages queued in ended runs": _count(conn, messages, queued, messages.c.run_id.in_(ended)),
            "people who still wait": _waiting(conn),
        }


def _waiting(conn: Connection) -> int:
    """People with something to come, other than a message in doubt."""
    doubtful = select(messages.c.enrollment_id).where(messages.c.status.in_(_DOUBTFUL))
    return _count(conn, enrollments, enrollments.c.finished_at.is_(None), enrollments.c.enrollment_id.not_in(doubtful))


def _count(conn: Connection, table: Table, *conditions: ColumnElement[bool]) -> int:
    return conn.execute(select(func.count()).select_from(table).where(*conditions)).scalar_one()


def _name(campaign_id: str) -> str:
    return campaign_id.removeprefix("chaos-")
