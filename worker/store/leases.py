"""Leases by name: of all workers one ticks, and one says that events are late; when it dies the next one does."""

from sqlalchemy import Connection, Select, Text, bindparam, or_, select

from worker.store import dialect
from worker.store.kept import clock, clock_ms, kept
from worker.store.tables import tick_leases


def is_free(conn: Connection, name: str, owner: str) -> bool:
    """Whether taking it could succeed: a look that waits for nobody."""
    return conn.execute(_another_owner(conn), {"lease": name, "by": owner} | clock(conn)).first() is None


@kept
def _another_owner(conn: Connection) -> Select[str]:
    row = tick_leases.c
    lease, owner = bindparam("lease", type_=Text), bindparam("by", type_=Text)
    return select(row.name).where(row.name == lease, row.owner != owner, row.until > clock_ms(conn))


def take(conn: Connection, name: str, owner: str, seconds: float) -> bool:
    """Take or renew the lease for `seconds`; False while another owner has it."""
    now = dialect.now_ms(conn)
    until = now + round(seconds * 1000)
    insert = dialect.upsert(conn, tick_leases).values(name=name, owner=owner, until=until)
    taken = insert.on_conflict_do_update(
        index_elements=["name"],
        set_={"owner": owner, "until": until},
        where=or_(tick_leases.c.until <= now, tick_leases.c.owner == owner),
    )
    return conn.execute(taken.returning(tick_leases.c.name)).first() is not None
