"""`campaigns demo`: a whole campaign on this machine, from nothing to a report, in under a minute.

1. It sends to a sandbox that reaches nobody, through the real SDKs, workers, queues and callbacks.
2. Our counts are held against the sandbox's own ledger; a difference is a failure of the demo.
3. Whatever happens, everything it started is stopped.
"""

import os
import shutil
from contextlib import ExitStack
from pathlib import Path

import orjson
from rich.console import Console
from ulid import ULID

from channels.sandbox.ledger import LedgerSummary, read_ledger, summarize
from worker.cli.errors import Exit, Stop
from worker.cli.live import watch_run
from worker.cli.local import LocalSystem, stoppable
from worker.cli.tables import print_demo_report, reached_twice
from worker.runtime.audience import ImportResult, import_file
from worker.runtime.launch import launch
from worker.runtime.preflight import Launch
from worker.runtime.reports import Report, ledger_differences, make_report
from worker.runtime.saving import save_campaign_from
from worker.runtime.stack import require_writable

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


def run_demo(definitions: Path, *, speed: float, keep: bool) -> None:
    """Run it. Raises Stop when our counts differ from the ledger."""
    data_dir = Path(os.environ.get("DATA_DIR", ".campaigns")) / "demo"
    require_writable(data_dir)
    console = Console()
    with stoppable(), ExitStack() as stack:
        _forget_last_time(data_dir)
        console.print("[bold]Starting[/] Redis, sandbox, callbacks, workers, beat and Flower ...")
        deadline = {"OUTCOME_DEADLINE_SECONDS": str(OUTCOME_DEADLINE_SECONDS * speed)}
        env = {"TENANT_ID": f"demo-{ULID()}".lower()} | deadline | PROFILE
        system = stack.enter_context(LocalSystem(data_dir, env, sandbox_options=_sandbox_options()))
        rt = stack.enter_context(system.runtime())
        imported = import_file(
            rt,
            definitions / "contacts.csv",
            list_name="renewal",
            region=rt.settings.default_region,
            rejects=data_dir / "rejects.csv",
        )
        console.print(imported.sentence())
        campaign = save_campaign_from(rt, definitions)
        run = launch(
            rt, Launch(tenant_id=rt.settings.tenant_id, campaign=campaign, contact_list="renewal", speed=speed)
        )
        console.print(f"Launched [bold]{run.run_id}[/]. Flower: {system.flower_url}")
        watch_run(rt, run.run_id, keep_alive=system.watch, console=console)
        report = make_report(rt, run.run_id)
        ledger_path = data_dir / "ledger.jsonl"
        ledger = summarize(read_ledger(ledger_path))
        _write_report(data_dir, imported, report, ledger)
        print_demo_report(console, imported, report, ledger, data_dir)
        if keep:
            console.print(f"Everything keeps running; Flower: {system.flower_url}. Ctrl-C stops it.")
            system.run_until_stopped()
    _judge(imported, report, ledger)


def _sandbox_options() -> tuple[str, ...]:
    speed = ("--speed", "20")
    return speed + tuple(word for fault in FAULTS for word in ("--fault", fault))


def _forget_last_time(data_dir: Path) -> None:
    """Remove what the last demo left; processes it may have left are ended by the supervisor."""
    for entry in data_dir.iterdir():
        if entry.name == "pids":
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
