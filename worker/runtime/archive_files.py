"""The files of an archived run: one Parquet file for each table, and `run.json`. They hold addresses and texts.

1. Only their owner may read them: files are 0600, their folder 0700.
2. Rows are as the database has them: times in milliseconds since 1970, documents as JSON text.
3. A digest is taken of the rows as they are written; what is read back from the file has to have the same one.
4. A few thousand rows are in memory, however large the run is.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import orjson
from sqlalchemy import Boolean, Integer, Table

from worker.runtime.errors import Unfaithful
from worker.store.archive import TABLES, Content

_ROW_GROUP: Final = 20_000
_ROWS_AT_ONCE: Final = 4096
RUN: Final = "run.json"


class Files:
    """The Parquet files of a new archive, all open at once. Raises OSError."""

    def __init__(self, folder: Path) -> None:
        self._files = {name: _File(folder / file_of(name), table) for name, table in TABLES.items()}

    def add(self, rows: Mapping[str, Sequence[tuple[Any, ...]]]) -> None:
        for name, given in rows.items():
            self._files[name].add(given)

    def close(self) -> dict[str, Content]:
        """Bring all of it to the disk. Returns what each file holds."""
        return {name: file.close() for name, file in self._files.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for file in self._files.values():
            file.release()


class _File:
    def __init__(self, path: Path, table: Table) -> None:
        import pyarrow as pa  # noqa: PLC0415 - takes 50 MB, which other commands need not pay
        from pyarrow.parquet import ParquetWriter  # noqa: PLC0415 - see above

        self._pa, self._schema = pa, pa.schema([(column.name, _kind(pa, column.type)) for column in table.columns])
        self._sink = private(path)
        self._writer = ParquetWriter(self._sink, self._schema, compression="zstd")
        self._digest, self._rows = sha256(), 0
        self._batches: list[Any] = []
        self._waiting = 0

    def add(self, rows: Sequence[tuple[Any, ...]]) -> None:
        if not rows:
            return
        by_column = zip(self._schema, zip(*rows, strict=True), strict=True)
        columns = [self._pa.array(cells, field.type) for field, cells in by_column]
        self._batches.append(self._pa.RecordBatch.from_arrays(columns, schema=self._schema))
        _count_in(self._digest, rows)
        self._rows += len(rows)
        self._waiting += len(rows)
        if self._waiting >= _ROW_GROUP:
            self._flush()

    def close(self) -> Content:
        self._flush()
        self._writer.close()
        self._sink.flush()
        os.fsync(self._sink.fileno())
        return Content(rows=self._rows, sha256=self._digest.hexdigest())

    def release(self) -> None:
        if self._writer.is_open:
            self._writer.close()
        self._sink.close()

    def _flush(self) -> None:
        if self._batches:
            self._writer.write_table(self._pa.Table.from_batches(self._batches))
            self._batches, self._waiting = [], 0


def _kind(pa: Any, of: Any) -> Any:
    if isinstance(of, Boolean):
        return pa.bool_()
    return pa.int64() if isinstance(of, Integer) else pa.string()


def _count_in(digest: Any, rows: Sequence[Sequence[Any]]) -> None:
    for row in rows:
        digest.update(orjson.dumps(row))


def file_of(table: str) -> str:
    return f"{table}.parquet"


def private(path: Path) -> Any:
    """A new file that nobody else may read."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def write_run(folder: Path, run: Mapping[str, Any]) -> None:
    """Write `run.json`, and bring the folder itself to the disk."""
    with private(folder / RUN) as file:
        file.write(orjson.dumps(run, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))
        file.flush()
        os.fsync(file.fileno())
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def verify(folder: Path, contents: Mapping[str, Content], going_on: Callable[[], None]) -> None:
    """Read all of it back. Raises Unfaithful where it is not what was written. `going_on` is called now and then."""
    if not (folder / RUN).is_file():
        raise Unfaithful(folder / RUN, "is missing")
    for name, content in contents.items():
        path = folder / file_of(name)
        if _read_back(path, going_on) != content:
            raise Unfaithful(path, "does not hold what was written into it")


def _read_back(path: Path, going_on: Callable[[], None]) -> Content:
    import pyarrow as pa  # noqa: PLC0415 - see above
    from pyarrow.parquet import ParquetFile  # noqa: PLC0415 - see above

    digest, rows = sha256(), 0
    try:
        with ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE, use_threads=False):
                _count_in(digest, list(zip(*(column.to_pylist() for column in batch.columns), strict=True)))
                rows += batch.num_rows
                going_on()
    except (pa.ArrowException, OSError) as error:
        raise Unfaithful(path, f"cannot be read back ({type(error).__name__})") from None
    return Content(rows=rows, sha256=digest.hexdigest())
