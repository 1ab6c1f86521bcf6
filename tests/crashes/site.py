"""An installation that is crashed many times: one sandbox, one database, emptied in between."""

import itertools
from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete

from tests.runtime.house import TENANT, House, person
from worker.runtime.launch import launch
from worker.runtime.preflight import Launch
from worker.store.columns import metadata
from worker.store.rows import ContactRow

_NUMBERS = itertools.count(1000)


class Site(House):
    """A house whose ledger begins anew whenever it is emptied; the sandbox itself forgets nothing."""

    def __init__(self, *args: Any, **more: Any) -> None:
        self._skip = 0
        super().__init__(*args, **more)

    def empty(self) -> None:
        with self.store.engine.begin() as conn:
            for table in metadata.sorted_tables:
                conn.execute(delete(table))
        self.hints.clear()
        self._skip += len(self.ledger())

    def ledger(self, kind: str = "accepted") -> list[Mapping[str, Any]]:
        return super().ledger(kind)[self._skip if kind == "accepted" else 0 :]

    def find_run(self, request: Launch) -> None:
        """The run that was launched; where none was, its owner launches it now."""
        runs = self.store.find_runs(TENANT)
        self.run_id = (runs[0] if runs else launch(self.rt, request).run).run_id

    @staticmethod
    def strangers(count: int) -> list[ContactRow]:
        """People nobody has written to before."""
        return [person(next(_NUMBERS)) for _ in range(count)]
