"""Turns what went wrong into one sentence and an exit code. A traceback means a fault of ours.

1. Sentences go to standard error; with `--json` they are one JSON object on standard output, like every result.
2. Exceptions of the layers below are imported only once there is one: `--help` needs none of them.
"""

import json
import sys
import traceback
from collections.abc import Sequence
from enum import IntEnum

import typer


class Exit(IntEnum):
    """Exit codes, part of the interface."""

    OK = 0
    OUR_FAULT = 1
    BAD_INPUT = 2
    NOT_READY = 3
    NOT_NOW = 4
    INTERRUPTED = 130


class Stop(Exception):
    """Ends the command with a sentence for the reader and an exit code. `details`: the same, item by item."""

    def __init__(self, sentence: str, code: Exit, details: Sequence[str] = ()) -> None:
        super().__init__(sentence)
        self.code = code
        self.details = details


def guarded(app: typer.Typer, words: Sequence[str]) -> int:
    """Run the command line on these words; return its exit code."""
    as_json = "--json" in words
    try:
        return app(list(words), prog_name="campaigns", standalone_mode=not as_json) or Exit.OK
    except SystemExit as end:  # how Typer ends: with help, with a message about the usage, after Ctrl-C
        return int(end.code or Exit.OK)
    except typer.TyperException as error:  # the message about the usage, left to us
        return _say(Stop(error.format_message(), Exit.BAD_INPUT), as_json=as_json)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except Stop as stop:
        return _say(stop, as_json=as_json)
    except Exception as error:  # noqa: BLE001 - the last line of defense
        return _say(_explained(error), as_json=as_json)


def _explained(error: Exception) -> Stop:
    """What the layers below raised, in a sentence; what none of them promises to raise is our fault."""
    from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError

    from worker.runtime.definitions import BadDefinitions
    from worker.runtime.errors import CannotLaunch

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
    from channels.errors import InvalidSettings
    from worker.domain.faults import Invalid
    from worker.runtime import errors
    from worker.runtime.contact_file import UnreadableFile
    from worker.runtime.embedded import NoRedis
    from worker.runtime.settings import BadSettings
    from worker.schema.errors import SchemaError, Unavailable
    from worker.store.errors import (
        AlreadyListening,
        AlreadyRunning,
        BadDatabaseUrl,
        CommitUnknown,
        IllegalTransition,
        ImportOvertaken,
        NameTaken,
        NotFound,
        NotMigrated,
        NotOpen,
        NotYours,
    )

    ended = (errors.ProgramDied, errors.TookTooLong)
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
        Exit.NOT_NOW: (AlreadyListening, AlreadyRunning, IllegalTransition, ImportOvertaken, NotOpen, NotYours),
    }


def _say(stop: Stop, *, as_json: bool) -> int:
    if as_json:
        data = {"error": str(stop), "exitCode": int(stop.code), "details": list(stop.details)}
        sys.stdout.write(json.dumps(data) + "\n")
    else:
        sys.stderr.write(f"campaigns: {stop}\n")
    return stop.code


def _lines(things: Sequence[object]) -> list[str]:
    return [str(thing) for thing in things]


def _lower(why: str | None) -> str:
    """The system's words, as a part of a sentence."""
    return (why or "cannot be used")[:1].lower() + (why or "cannot be used")[1:]
