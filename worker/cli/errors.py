"""Turns what went wrong into one sentence on standard error and an exit code. A traceback means a fault of ours."""

import json
import sys
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
    """Ends the command with a sentence for the reader and an exit code."""

    def __init__(self, sentence: str, code: Exit, details: object = None) -> None:
        super().__init__(sentence)
        self.code = code
        self.details = details


def guarded(app: typer.Typer) -> int:
    """Run the command line; return its exit code."""
    try:
        return app(standalone_mode=False) or Exit.OK
    except typer.Exit as error:
        return error.exit_code
    except typer.Abort:
        return Exit.INTERRUPTED
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except Stop as error:
        return _say(str(error), error.code, error.details)
    except Exception as error:  # noqa: BLE001 - the last line of defence names what it knows and lets the rest through
        return _explain(error)


def _explain(error: Exception) -> int:
    """The exit code for an exception of the layers below. Imported here: a plain `--help` needs none of it."""
    from click import ClickException
    from sqlalchemy.exc import DBAPIError

    from worker.domain.faults import Invalid
    from worker.runtime.csv_file import UnreadableFile
    from worker.runtime.definitions import BadDefinitions
    from worker.runtime import errors
    from worker.runtime.embedded import NoRedis
    from worker.runtime.settings import BadSettings
    from worker.store.errors import IllegalTransition, NameTaken, NotFound, NotMigrated

    match error:
        case ClickException():
            error.show()
            return Exit.BAD_INPUT
        case errors.CannotLaunch(reasons=reasons):
            return _say("cannot launch:\n" + "\n".join(f"  - {r}" for r in reasons), Exit.BAD_INPUT, reasons)
        case BadDefinitions(faults=faults):
            sentence = f"{len(faults)} fault(s), nothing was changed:\n{error}"
            return _say(sentence, Exit.BAD_INPUT, [str(fault) for fault in faults])
        case (
            UnreadableFile()
            | Invalid()
            | BadSettings()
            | NameTaken()
            | errors.NotFound()
            | NotFound()
            | FileNotFoundError()
        ):
            return _say(str(error), Exit.BAD_INPUT)
        case NotMigrated() | NoRedis() | errors.PortInUse() | errors.NotWritable() | errors.ProgramDied():
            return _say(str(error), Exit.NOT_READY)
        case errors.TookTooLong() | PermissionError():
            return _say(str(error), Exit.NOT_READY)
        case DBAPIError():
            return _say(f"the database cannot be used: {error.orig}; check DATABASE_URL", Exit.NOT_READY)
        case IllegalTransition():
            return _say(str(error), Exit.NOT_NOW)
        case _:
            raise error


def _say(sentence: str, code: Exit, details: object = None) -> int:
    if "--json" in sys.argv:
        sys.stdout.write(json.dumps({"error": sentence, "exitCode": int(code), "details": details}) + "\n")
    else:
        sys.stderr.write(f"campaigns: {sentence}\n")
    return code
