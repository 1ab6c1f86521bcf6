"""Turns what went wrong into one sentence and an exit code. A traceback means a fault of ours.

1. Sentences go to standard error; with `--json` they are one JSON object on standard output, like every result.
2. What the layers below raise is explained by `explain`, which is imported only once they have raised something.
"""

import json
import sys
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
        return app(list(words), prog_name="campaigns", standalone_mode=False) or Exit.OK
    except SystemExit as end:  # how Typer ends after shell completion
        return int(end.code or Exit.OK)
    except typer.TyperException as error:  # the message about the usage, left to us; none where help was shown instead
        wrong = error.format_message().rstrip(".")
        command = getattr(getattr(error, "ctx", None), "command_path", "campaigns")
        remedy = f"; `{command} --help` shows how it is used"
        return _say(Stop(wrong + remedy, Exit.BAD_INPUT), as_json=as_json) if as_json or wrong else Exit.BAD_INPUT
    except (KeyboardInterrupt, typer.Abort):
        return Exit.INTERRUPTED
    except Stop as stop:
        return _say(stop, as_json=as_json)
    except Exception as error:  # noqa: BLE001 - the last line of defense
        from worker.cli.explain import explained  # noqa: PLC0415 - knows every layer; without an error nobody needs it

        return _say(explained(error), as_json=as_json)


def _say(stop: Stop, *, as_json: bool) -> int:
    if as_json:
        data = {"error": str(stop), "exitCode": int(stop.code), "details": list(stop.details)}
        sys.stdout.write(json.dumps(data) + "\n")
    else:
        sys.stderr.write(f"campaigns: {stop}\n")
    return stop.code
