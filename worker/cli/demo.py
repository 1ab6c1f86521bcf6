"""`campaigns demo`: a whole campaign on this machine, from nothing to a report, in under a minute.

1. It sends to a sandbox that reaches nobody, through the real SDKs, workers, queues and callbacks.
2. Our counts are held against the sandbox's own ledger; a difference is a failure of the demo.
3. Whatever happens, everything it started is stopped.
"""

import os
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from ulid import ULID

from channels.sandbox.ledger import LedgerSummary, read_ledger, summarize
from worker.cli.context import open_runtime
from worker.cli.errors import Exit, Stop
from worker.cli.ledger_page import ledger_table, reached_twice
from worker.cli.live import watch_run
from worker.cli.local import LocalSystem, stoppable
from worker.cli.output import console, offer, say
from worker.cli.tables import outcome_table
from worker.domain.run import Run
from worker.runtime.bootstrap import Runtime
from worker.runtime.definitions import load_definitions
from worker.runtime.import_file import ImportResult, import_file
from worker.runtime.importing import open_audience
from worker.runtime.launch import launch
from worker.runtime.machine import LOCK_FILE, own
from worker.runtime.preflight import Launch
from worker.runtime.reports import Report, ledger_differences, make_report
from worker.runtime.saving import read_campaign

PROFILE = {
    "SMS_PER_SECOND": "200",
    "CALLS_PER_SECOND": "100",
    "HTTP_TIMEOUT_SECONDS": "3",
    "HTTP_CONNECT_TIMEOUT_SECONDS": "1",
    "LEASE_SECONDS": "12",
    "INBOX_LEASE_SECONDS": "4",
    "QUIET_SECONDS": "3",
    "SECOND_LOOK_SECONDS": "2",
    "EMAIL_RESEND_AFTER_SECONDS": "8",
}
"""Deadlines of hours, shortened to seconds: the sandbox lives as fast as the waits do."""

OUTCOME_DEADLINE_SECONDS = 12
"""Real ones; the run counts its own, faster ones."""

FAULTS = (
    "channels=sms,voice",
    "accept_then_timeout=0.003",
    "accept_then_500=0.005",
    "refuse_429=0.02",
    "refuse_503=0.005",
    "callback_duplicate=0.05",
    "callback_reordered=0.05",
)
"""What providers do on an ordinary day. None of it may show in the result."""


def demo(
    *,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave everything running until Ctrl-C, to look around.")
    ] = False,
    speed: Annotated[
        float, typer.Option(min=1, help="Seconds of waiting that pass in one; the campaign's days take half a minute.")
    ] = 14_400,
    definitions: Annotated[Path, typer.Option(help="Folder with the campaign and contacts.csv.")] = Path(
        "examples/renewal"
    ),
) -> None:
    """Run a whole campaign on this machine against a sandbox provider, in under a minute. Nobody real is contacted."""
    data_dir = Path(os.environ.get("DATA_DIR", ".campaigns")) / "demo"
    out = console()
    load_definitions([definitions])  # what is wrong with them is said before anything starts
    open_audience(definitions / "contacts.csv")
    with stoppable(), ExitStack() as stack:
        stack.enter_context(own(data_dir))
        _forget_last_time(data_dir)
        out.print("[bold]Starting[/] Redis, sandbox, callbacks, workers, beat and Flower ...")
        deadline = {"OUTCOME_DEADLINE_SECONDS": str(OUTCOME_DEADLINE_SECONDS * speed)}
        env = {"TENANT_ID": f"demo-{ULID()}".lower()} | deadline | PROFILE
        system = stack.enter_context(LocalSystem(data_dir, env, sandbox_options=_sandbox_options()))
        rt = stack.enter_context(open_runtime())
        imported = import_file(
            rt,
            definitions / "contacts.csv",
            list_name="renewal",
            region=rt.settings.default_region,
            rejects=data_dir / "rejects.csv",
        )
        say(out, imported.sentence())
        run = _launch(rt, definitions, speed)
        say(out, f"launched [bold]{run.run_id}[/]; Flower: {system.flower_url}")
        out.print()
        watch_run(rt, run.run_id, out, keep_alive=system.watch)
        report = make_report(rt, run.run_id)
        ledger = summarize(read_ledger(data_dir / "ledger.jsonl"))
        _write_report(data_dir, imported, report, ledger)
        _print_last_page(out, report, ledger, data_dir)
        if keep:
            say(out, f"Everything keeps running; Flower: {system.flower_url}. Ctrl-C stops it.")
            system.run_until_stopped()
    _judge(imported, report, ledger)


def _launch(rt: Runtime, definitions: Path, speed: float) -> Run:
    campaign, documents = read_campaign(rt, definitions)
    request = Launch(
        tenant_id=rt.settings.tenant_id, campaign=campaign, documents=documents, contact_list="renewal", speed=speed
    )
    return launch(rt, request).run


def _sandbox_options() -> tuple[str, ...]:
    speed = ("--speed", "20")
    return speed + tuple(word for fault in FAULTS for word in ("--fault", fault))


def _forget_last_time(data_dir: Path) -> None:
    """Remove what the last demo left; processes it may have left are ended by the supervisor."""
    for entry in data_dir.iterdir():
        if entry.name in {"pids", LOCK_FILE}:
            continue
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _write_report(data_dir: Path, imported: ImportResult, report: Report, ledger: LedgerSummary) -> None:
    data = {
        "import": imported.as_json(),
        **report.as_json(),
        "ledger": {
            "path": str(data_dir / "ledger.jsonl"),
            "accepted": ledger.accepted,
            "mostPerAttempt": ledger.accepted_per_attempt_max,
            "reachedTwice": reached_twice(ledger),
            "finalStatuses": ledger.final_statuses,
            "faults": ledger.faults,
        },
    }
    (data_dir / "report.json").write_bytes(orjson.dumps(data, option=orjson.OPT_INDENT_2))


def _print_last_page(out: Console, report: Report, ledger: LedgerSummary, data_dir: Path) -> None:
    faults = ", ".join(f"{name} x{count}" for name, count in sorted(ledger.faults.items()))
    seconds = report.seconds or 0
    out.print("", outcome_table(report), "", ledger_table(report, ledger), sep="\n")
    out.print()
    say(out, f"messages that reached somebody twice: [bold]{reached_twice(ledger)}[/]")
    say(out, f"{sum(report.accepted().values())} messages in {seconds:.0f} s")
    say(out, f"faults the provider made on purpose: {faults}")
    say(out, f"report [bold]{data_dir / 'report.json'}[/]")
    say(out, f"ledger [bold]{data_dir / 'ledger.jsonl'}[/]")
    out.print("\nNext:")
    offer(
        out,
        ".venv/bin/campaigns demo --keep                go on afterwards, look into Flower",
        ".venv/bin/campaigns validate examples/renewal  change it, see what is checked",
        ".venv/bin/campaigns up --sandbox               run campaigns of your own",
    )


def _judge(imported: ImportResult, report: Report, ledger: LedgerSummary) -> None:
    """The demo is a test that anybody can run: say what does not add up."""
    wrong = ledger_differences(report, ledger.accepted)
    enrolled = sum(report.counts.enrollments.values())
    if enrolled != imported.accepted:
        wrong.append(f"{imported.accepted} contacts were imported, {enrolled} are accounted for")
    if again := reached_twice(ledger):
        wrong.append(f"{again} messages reached somebody twice")
    if wrong:
        raise Stop("the counts do not agree:\n" + "\n".join(f"  - {line}" for line in wrong), Exit.OUR_FAULT)
