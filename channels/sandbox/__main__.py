"""`python -m channels.sandbox`: runs a sandbox until it is told to stop. One line on standard output when it is ready.

Exit codes: 0 stopped, 2 bad arguments, 3 the port is in use.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from channels.sandbox.app import PortInUse, RunningSandbox, serve
from channels.sandbox.faults import BadFaults, Faults, faults_from
from channels.sandbox.people import BadPeople
from channels.sandbox.settings import ACCOUNT_SID, API_KEY, AUTH_TOKEN, BadSettings, SandboxSettings
from channels.sandbox.signing import BadKey

INBOUND_PATH = "/webhooks/twilio/sms"
EVENTS_PATH = "/webhooks/sendgrid/events"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    try:
        asyncio.run(serve(_read(arguments), _say_ready))
    except PortInUse as error:
        print(error.strerror, file=sys.stderr)  # noqa: T201 - the command's own output
        return 3
    except (BadSettings, BadFaults, BadPeople, BadKey, OSError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - the command's own output
        return 2
    return 0


def _say_ready(sandbox: RunningSandbox) -> None:
    print(f"sandbox ready at {sandbox.url}, ledger {sandbox.ledger_path}", flush=True)  # noqa: T201 - likewise


def _read(arguments: Sequence[str] | None) -> SandboxSettings:
    given = _parser().parse_args(arguments)
    base = given.callback.rstrip("/")
    return SandboxSettings(
        host=given.host,
        port=given.port,
        data_dir=given.data_dir,
        account_sid=given.account_sid,
        auth_token=given.auth_token,
        api_key=given.api_key,
        senders=frozenset(given.sender),
        sms_inbound_url=given.sms_inbound_url or (base and base + INBOUND_PATH),
        sendgrid_events_url=given.sendgrid_events_url or (base and base + EVENTS_PATH),
        speed=given.speed,
        latency_seconds=given.latency,
        list_lag_seconds=given.list_lag,
        faults=_read_faults(given.fault),
        seed=given.seed,
        people_file=given.people,
        ledger_bodies=given.ledger_bodies,
        ledger_fsync=given.ledger_fsync,
    )


def _read_faults(words: Sequence[str]) -> Faults:
    document: dict[str, object] = {}
    for word in words:
        name, _, value = word.partition("=")
        document[name] = value.split(",") if name in {"next", "channels"} else value
    return faults_from(document)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m channels.sandbox", description="A local Twilio and SendGrid.")
    add = parser.add_argument
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=4010, help="0 takes a free one (default: 4010)")
    add("--data-dir", type=Path, required=True, help="folder of the ledger and the keys")
    add("--callback", default="", metavar="URL", help=f"our base URL; {INBOUND_PATH} and {EVENTS_PATH} are added to it")
    add("--sms-inbound-url", default="", metavar="URL", help="where texts from people are posted")
    add("--sendgrid-events-url", default="", metavar="URL", help="where mail events are posted")
    add("--account-sid", default=ACCOUNT_SID)
    add("--auth-token", default=AUTH_TOKEN)
    add("--api-key", default=API_KEY)
    add("--sender", action="append", default=[], help="a number or address this account owns; repeat; default: any")
    add("--speed", type=float, default=1.0, help="how much faster than real providers messages live")
    add("--latency", type=float, default=0.0, help="seconds before every answer")
    add("--list-lag", type=float, default=0.0, help="seconds until a new message shows up in lists")
    add(
        "--fault", action="append", default=[], metavar="NAME=VALUE", help="like refuse_429=0.05; repeat; see README.md"
    )
    add("--seed", type=int, default=0, help="of the faults")
    add("--people", type=Path, help="a table of people instead of people.yaml")
    add("--ledger-bodies", action="store_true", help="write texts to the ledger, not only their hash")
    add("--ledger-fsync", action="store_true", help="survive a power cut, slowly")
    return parser


if __name__ == "__main__":
    sys.exit(main())
