"""What the layers below raise, in a sentence with a remedy; what none of them promises to raise is our fault."""

import traceback
from collections.abc import Sequence

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError

from channels.errors import InvalidSettings
from worker.cli.errors import Exit, Stop
from worker.domain.faults import Invalid
from worker.runtime import errors
from worker.runtime.contact_file import UnreadableFile
from worker.runtime.definitions import BadDefinitions
from worker.runtime.embedded import NoRedis
from worker.runtime.errors import CannotLaunch
from worker.runtime.settings import BadSettings
from worker.schema.errors import SchemaError, Unavailable
from worker.store.errors import (
    BadDatabaseUrl,
    CommitUnknown,
    ImportOvertaken,
    NameTaken,
    NotFound,
    NotMigrated,
    NotNow,
)


def explained(error: Exception) -> Stop:
    """What the layers below raised, in a sentence; what none of them promises to raise is our fault."""
    match error:
        case BadDefinitions(faults=faults):
            found = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
            return Stop(f"{found}, nothing was changed:\n{error}", Exit.BAD_INPUT, _lines(faults))
        case CannotLaunch(reasons=reasons):
            listed = "\n".join(f"  - {reason}" for reason in reasons)
            return Stop(f"cannot launch, nothing was changed:\n{listed}", Exit.BAD_INPUT, reasons)
        case DBAPIError() if not isinstance(error, IntegrityError | ProgrammingError | DataError):
            why = " ".join(str(error.orig).split())
            return Stop(f"the database cannot be used: {why}; check DATABASE_URL", Exit.NOT_READY)
        case FileNotFoundError() | IsADirectoryError() | NotADirectoryError():
            return Stop(f"{error.filename}: {_lower(error.strerror)}; check the path", Exit.BAD_INPUT)
        case OSError(filename=str() as place, strerror=str() as why):
            return Stop(f"{place}: {_lower(why)}", Exit.NOT_READY)
    for code, kinds in _promised().items():
        if isinstance(error, kinds):
            return Stop(str(error), code)
    traceback.print_exception(error)
    return Stop(f"a fault of ours ({type(error).__name__}); please report it with the lines above", Exit.OUR_FAULT)


def _promised() -> dict[Exit, tuple[type[Exception], ...]]:
    """What the layers below promise to raise, whose text is a sentence with a remedy."""
    ended = (errors.ProgramDied, errors.TookTooLong, errors.Unfaithful)
    missing = (NotMigrated, NoRedis, BadDatabaseUrl, CommitUnknown)
    return {
        Exit.NOT_READY: (*missing, errors.PortInUse, errors.FolderInUse, errors.NotWritable, *ended, Unavailable),
        Exit.BAD_INPUT: (
            UnreadableFile,
            Invalid,
            BadSettings,
            InvalidSettings,
            NameTaken,
            errors.NotFound,
            NotFound,
            SchemaError,
        ),
        Exit.NOT_NOW: (NotNow, ImportOvertaken),
    }


def _lines(things: Sequence[object]) -> list[str]:
    return [str(thing) for thing in things]


def _lower(why: str | None) -> str:
    """The system's words, as a part of a sentence."""
    return (why or "cannot be used")[:1].lower() + (why or "cannot be used")[1:]
