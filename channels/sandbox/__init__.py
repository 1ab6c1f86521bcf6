"""A local provider: speaks Twilio's and SendGrid's HTTP APIs to their real SDKs. See README.md beside this."""

from channels.sandbox.app import PortInUse, RunningSandbox, serve, start
from channels.sandbox.faults import Faults, RequestFault
from channels.sandbox.ledger import LedgerSummary, read_ledger, summarize
from channels.sandbox.settings import SandboxSettings

__all__ = [
    "Faults",
    "LedgerSummary",
    "PortInUse",
    "RequestFault",
    "RunningSandbox",
    "SandboxSettings",
    "read_ledger",
    "serve",
    "start",
    "summarize",
]
