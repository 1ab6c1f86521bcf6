"""Tick leases: of all workers, one does the periodic work; when it dies the next one does."""

from sqlalchemy import Connection, or_, select

from worker.store import dialect
from worker.store.tables import tick_leases


def is_free(conn: Connection, name: str, owner: str) -> bool:
    """Whether taking it could succeed: a look that waits for nobody."""
    query = select(tick_leases.c.name).where(
        tick_leases.c.name == name, tick_leases.c.owner != owner, tick_leases.c.until > dialect.now_ms(conn)
    )
    return conn.execute(query).first() is None


def take(conn: Connection, name: str, owner: str, seconds: float) -> bool:
    """Take or renew the lease for `seconds`; False while another owner has it."""
    clock = dialect.now_ms(conn)
    until = clock + round(seconds * 1000)
    insert = dialect.upsert(conn, tick_leases).values(name=name, owner=owner, until=until)
    taken = insert.on_conflict_do_update(
        index_elements=["name"],
        set_={"owner": owner, "until": until},
        where=or_(tick_leases.c.until <= clock, tick_leases.c.owner == owner),
    )
    return conn.execute(taken.returning(tick_leases.c.name)).first() is not None
