"""Reading Parquet of any size, a few thousand rows of a row group at a time.

1. All of the file is decoded once before its first row is used: a page that is broken is found before anything is done.
2. Values become what JSON has: times as ISO 8601, decimals as text.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Final

from worker.runtime.contact_file import Progress, Row, UnreadableFile, digest_of, nobody, require_columns

_ROWS_AT_ONCE: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class ParquetFile:
    """A Parquet file that can be read to its end. Its rows are numbered from 1."""

    path: Path
    digest: str
    header: tuple[str, ...]
    size: int

    def rows(self, progress: Progress = nobody) -> Iterator[Row]:
        """Every row, in order."""
        from pyarrow.parquet import ParquetFile as Parquet  # noqa: PLC0415 - takes 50 MB, which other files need not pay

        number = 0
        with Parquet(self.path) as file:
            count = max(file.metadata.num_rows, 1)
            for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE, use_threads=False):
                columns = [column.to_pylist() for column in batch.columns]
                for cells in zip(*columns, strict=True):
                    number += 1
                    yield Row(number, [_plain(cell) for cell in cells])
                progress(self.size * number // count)


def open_parquet(path: Path) -> ParquetFile:
    """Look whether it can be read. Raises UnreadableFile, or OSError."""
    import pyarrow as pa  # noqa: PLC0415 - see above
    from pyarrow.parquet import ParquetFile as Parquet  # noqa: PLC0415

    digest = digest_of(path)
    try:
        with Parquet(path) as file:
            header = tuple(file.schema_arrow.names)
            require_columns(path, header)
            for _ in file.iter_batches(batch_size=_ROWS_AT_ONCE, use_threads=False):
                pass
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            raise
        raise UnreadableFile(
            f"{path}: is no Parquet, or is broken; export it again, or name what it is with --format"
        ) from None
    return ParquetFile(path=path, digest=digest, header=header, size=path.stat().st_size)


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    match value:
        case str() | bool() | int() | None:
            return value
        case float():
            return value if math.isfinite(value) else None
        case datetime() | date() | time():
            return value.isoformat()
        case bytes():
            return value.decode(errors="replace")
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:  # decimals, UUIDs, durations
            return str(value)
