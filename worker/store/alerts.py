"""Alerts, written in the transaction of what they tell of and delivered afterwards, at least once.

1. A claim is a lease: when its worker dies another one goes on, with those who have not been told.
2. Who cannot be told is tried again after 15 s, 30 s, 1 min … up to an hour, for three days. The `note` says why.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, and_, exists, select, update

from worker.domain.alert import Alert, AlertKind
from worker.domain.run import Canary, RunStatus
from worker.store import dialect
from worker.store.codec import from_json, millis, moment, moment_or_none, to_json
from worker.store.queue_tables import alerts

KEEP_TRYING: Final = timedelta(days=3)
_FIRST_WAIT: Final = timedelta(seconds=15)
_LONGEST_WAIT: Final = timedelta(hours=1)


def add(conn: Connection, tenant_id: str, run_id: str, kind: AlertKind, now: datetime, *, reason: str = "") -> None:
    """Keep an alert to be delivered. The reason holds ids and counts only, nobody's data."""
    detail = to_json({"reason": reason})
    given = {"tenant_id": tenant_id, "run_id": run_id, "kind": kind, "at": millis(now)}
    conn.execute(alerts.insert().values(**given, detail=detail, due_at=0))


def of_change(conn: Connection, row: Row[Any], to: RunStatus, now: datetime, *, reason: str = "") -> None:
    """Keep the alert that it is worth when the system changes the status of a run. `row` is the run before it."""
    kind = _worth(row, to)
    if kind is not None:
        add(conn, row.tenant_id, row.run_id, kind, now, reason=reason)


def _worth(row: Row[Any], to: RunStatus) -> AlertKind | None:
    match to:
        case RunStatus.COMPLETED:
            return AlertKind.FINISHED
        case RunStatus.FAILED:
            return AlertKind.FAILED
        case RunStatus.PAUSED:
            on_trial = row.canary in (Canary.ENROLLING, Canary.WATCHED)
            return AlertKind.CANARY_FAILED if on_trial else AlertKind.AUTO_PAUSED
        case _:
            return None


def is_waiting(tenant_id: Any, now: ColumnElement[int]) -> ColumnElement[bool]:
    """Whether any alert of the tenant is to be delivered, as a condition."""
    return exists().where(_is_due(tenant_id, now))


def claim(conn: Connection, tenant_id: str, *, limit: int, lease: timedelta) -> list[Alert]:
    """Lease the tenant's next alerts that are due, the oldest first."""
    now = dialect.now_ms(conn)
    picked = (
        select(alerts.c.alert_id)
        .where(_is_due(tenant_id, now))
        .order_by(alerts.c.due_at, alerts.c.alert_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("picked")
        .prefix_with("MATERIALIZED")
    )
    statement = (
        update(alerts)
        .where(alerts.c.alert_id == picked.c.alert_id)
        .values(due_at=now + round(lease.total_seconds() * 1000), tries=alerts.c.tries + 1)
        .returning(*alerts.c)
    )
    return sorted((_alert(row) for row in conn.execute(statement).all()), key=lambda alert: alert.alert_id)


def _is_due(tenant_id: Any, now: ColumnElement[int]) -> ColumnElement[bool]:
    row = alerts.c
    return and_(row.tenant_id == tenant_id, row.delivered_at.is_(None), row.due_at <= now)


def note_told(
    conn: Connection, tenant_id: str, alert: Alert, told: Sequence[str], now: datetime, *, missing: str = ""
) -> None:
    """Keep who has been told by now. `missing` says who has not, and why: they are tried again later."""
    change: dict[str, Any] = {"told": to_json(list(told)), "note": missing}
    if not missing:
        change["delivered_at"] = millis(now)
    elif now - alert.at > KEEP_TRYING:
        change |= {"delivered_at": millis(now), "note": f"given up: {missing}"}
    else:
        wait = min(_FIRST_WAIT * 2 ** min(alert.tries - 1, 20), _LONGEST_WAIT)
        change["due_at"] = dialect.now_ms(conn) + round(wait.total_seconds() * 1000)
    conn.execute(
        update(alerts).where(alerts.c.tenant_id == tenant_id, alerts.c.alert_id == alert.alert_id).values(**change)
    )


def of_run(conn: Connection, tenant_id: str, run_id: str) -> list[Alert]:
    """All alerts about a run, the oldest first."""
    query = select(alerts).where(alerts.c.tenant_id == tenant_id, alerts.c.run_id == run_id)
    return [_alert(row) for row in conn.execute(query.order_by(alerts.c.alert_id)).all()]


def _alert(row: Row[Any]) -> Alert:
    return Alert(
        alert_id=row.alert_id,
        run_id=row.run_id,
        kind=AlertKind(row.kind),
        at=moment(row.at),
        detail=from_json(row.detail),
        told=tuple(from_json(row.told)),
        tries=row.tries,
        delivered_at=moment_or_none(row.delivered_at),
        note=row.note,
    )
