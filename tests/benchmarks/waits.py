"""How much of their time PostgreSQL's sessions wait for a lock that another session holds."""

import threading
from types import TracebackType
from typing import Self

import psycopg

SAMPLE_SECONDS = 0.01
_LOOK = """
SELECT count(*), count(*) FILTER (WHERE wait_event_type = 'Lock'), count(*) FILTER (WHERE wait_event_type = 'LWLock')
FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND state = 'active' AND pid <> pg_backend_pid()
"""


class Waits:
    """Looks at all sessions of a database a hundred times a second while it is open; SQLite has none."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._seen = [0, 0, 0]
        self._ended = threading.Event()
        self._looking = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        if not self._url.startswith("sqlite"):
            self._looking.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        if self._looking.ident is not None:
            self._looking.join()

    def shares(self) -> dict[str, float | None]:
        """Of the moments in which a session had something to do, those in which it waited: for a row, for a page."""
        active, locks, pages = self._seen
        of_all = {"waiting_for_rows": locks, "waiting_for_pages": pages}
        return {name: round(seen / active, 4) if active else None for name, seen in of_all.items()}

    def _look(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            while not self._ended.wait(SAMPLE_SECONDS):
                row = connection.execute(_LOOK).fetchone() or (0, 0, 0)
                self._seen = [seen + more for seen, more in zip(self._seen, row, strict=True)]
