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
    except typer.BadParameter as error:
        error.show()
        return Exit.BAD_INPUT
    except Stop as error:
        return _say(str(error), error.code, error.details)
    except Exception as error:  # noqa: BLE001 - the last line of defence names what it knows and lets the rest through
        return _explain(error)


def _explain(error: Exception) -> int:
    """The exit code for an exception of the layers below. They are imported here: `--help` needs none of them."""
    from sqlalchemy.exc import DBAPIError

    from channels.errors import InvalidSettings
    from worker.domain.faults import Invalid
    from worker.runtime import errors
    from worker.runtime.csv_file import UnreadableFile
    from worker.runtime.definitions import BadDefinitions
    from worker.runtime.embedded import NoRedis
    from worker.runtime.settings import BadSettings
    from worker.store.errors import IllegalTransition, NameTaken, NotFound, NotMigrated

    not_ready = (NotMigrated, NoRedis, errors.PortInUse, errors.NotWritable, errors.ProgramDied, errors.TookTooLong)
    wrong = (UnreadableFile, Invalid, BadSettings, InvalidSettings, NameTaken, errors.NotFound, NotFound)
    match error:
        case BadDefinitions(faults=faults):
            sentence = f"{len(faults)} fault(s), nothing was changed:\n{error}"
            code, details = Exit.BAD_INPUT, [str(fault) for fault in faults]
        case errors.CannotLaunch(reasons=reasons):
            sentence = "cannot launch:\n" + "\n".join(f"  - {reason}" for reason in reasons)
            code, details = Exit.BAD_INPUT, reasons
        case DBAPIError():
            sentence = f"the database cannot be used: {error.orig}; check DATABASE_URL"
            code, details = Exit.NOT_READY, []
        case _:
            sentence, details = str(error), []
            kinds = {
                Exit.BAD_INPUT: (*wrong, FileNotFoundError),
                Exit.NOT_READY: (*not_ready, PermissionError),
                Exit.NOT_NOW: (IllegalTransition,),
            }
            found = next((exit_code for exit_code, types in kinds.items() if isinstance(error, types)), None)
            if found is None:
                raise error
            code = found
    return _say(sentence, code, details)


def _say(sentence: str, code: Exit, details: object = None) -> int:
    if "--json" in sys.argv:
        sys.stdout.write(json.dumps({"error": sentence, "exitCode": int(code), "details": details}) + "\n")
    else:
        sys.stderr.write(f"campaigns: {sentence}\n")
    return code
