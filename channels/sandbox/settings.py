"""How one sandbox runs.

1. Every default works on a laptop; the credentials below are no secrets, they open nothing but a sandbox.
2. A bad setting is refused before a port is opened.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from channels.sandbox.faults import Faults

ACCOUNT_SID: Final = "AC" + "5a" * 16
AUTH_TOKEN: Final = "sandbox-auth-token"  # noqa: S105 - opens nothing but a sandbox
API_KEY: Final = "SG.sandbox"


class BadSettings(ValueError):
    """A setting makes no sense; the text names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSettings:
    """Where a sandbox listens, who it is, whom it calls back.

    `data_dir`: folder of the ledger and the keys. `port`: 0 takes a free one. `senders`: numbers and addresses this
    account owns; empty means any. `sms_inbound_url`: where texts from people are posted. `sendgrid_events_url`: where
    mail events are posted. `sendgrid_private_key`: PEM, else one is made and kept. `speed`: how much faster than real
    providers messages live. `latency_seconds`: real seconds before every answer of the providers' APIs.
    `list_lag_seconds`: real seconds until a new message or call shows up in lists. `people_file`: a table instead of
    people.yaml. `ledger_bodies`: write texts to the ledger, not only their hash. `retention`: messages and calls kept
    in memory, each. `callback_connections`: callbacks under way at once; `callbacks_waiting`: above it they are
    dropped, as best-effort callbacks may be.
    """

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 0
    account_sid: str = ACCOUNT_SID
    auth_token: str = field(default=AUTH_TOKEN, repr=False)
    api_key: str = field(default=API_KEY, repr=False)
    senders: frozenset[str] = field(default=frozenset(), repr=False)
    sms_inbound_url: str = field(default="", repr=False)
    sendgrid_events_url: str = field(default="", repr=False)
    sendgrid_private_key: str = field(default="", repr=False)
    speed: float = 1.0
    latency_seconds: float = 0.0
    list_lag_seconds: float = 0.0
    faults: Faults = field(default_factory=Faults)
    seed: int = 0
    people_file: Path | None = None
    ledger_bodies: bool = False
    ledger_fsync: bool = False
    retention: int = 200_000
    callback_connections: int = 32
    callbacks_waiting: int = 500_000

    def __post_init__(self) -> None:
        _require(re.fullmatch(r"AC[0-9a-fA-F]{32}", self.account_sid), "account_sid", "AC and 32 hexadecimal digits")
        _require(self.auth_token, "auth_token", "some text")
        _require(self.api_key, "api_key", "some text")
        _require(self.speed > 0, "speed", "more than 0")
        _require(self.latency_seconds >= 0, "latency_seconds", "0 or more")
        _require(self.list_lag_seconds >= 0, "list_lag_seconds", "0 or more")
        _require(self.retention > 0, "retention", "1 or more")
        _require(self.callback_connections > 0, "callback_connections", "1 or more")
        for name in ("sms_inbound_url", "sendgrid_events_url"):
            url = getattr(self, name)
            _require(not url or re.match(r"https?://[^/]", url), name, "an http or https URL")


def _require(holds: object, name: str, expected: str) -> None:
    if not holds:
        raise BadSettings(f"{name}: expected {expected}")
