"""The workflows that are simulated: small, and between them every kind of message, wait, branch and loop."""

from collections.abc import Mapping
from typing import Any, Final

from tests.engine.builders import CAMPAIGN

OUR_NUMBER: Final = str(CAMPAIGN["smsFromAddress"])

_CALL: Final = {"type": "placeCall", "say": "Hello {{ contact.firstName }}", "machineDetection": "hangUp"}
_MAIL: Final = {"type": "sendEmail", "subject": "Renewal", "text": "Hello {{ contact.firstName }}"}


def _text(words: str) -> Mapping[str, Any]:
    return {"type": "sendSms", "message": f"{words}, {{{{ contact.firstName }}}}"}


def _states(**actions: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    return {name: {"actions": listed} for name, listed in actions.items()}


PLANS: Final[Mapping[str, Mapping[str, Any]]] = {
    # Asks by text, branches on the answer, goes on by mail and, where that is not delivered, by phone.
    "ask": _states(
        ask=[
            _text("Shall we renew"),
            {"type": "waitForReply", "timeout": "2 hours", "onTimeout": "mail"},
            {"type": "transition", "to": "thank", "condition": 'reply.body == "YES"'},
            {"type": "transition", "to": "call"},
        ],
        mail=[
            _MAIL,
            {"type": "waitForOutcome", "timeout": "1 hour"},
            {"type": "transition", "to": "call", "condition": 'outcome.category != "DELIVERED"'},
        ],
        call=[_CALL],
        thank=[_text("Thank you")],
    ),
    # The same words again and again: three visits of one state, told apart by nothing the provider sees.
    "chase": _states(
        begin=[{"type": "setVariable", "name": "asked", "value": 0}, {"type": "transition", "to": "ask"}],
        ask=[
            {"type": "setVariable", "name": "asked", "value": "{{ vars.asked | plus: 1 }}"},
            _text("Are you there"),
            {"type": "waitForReply", "timeout": "3 minutes", "onTimeout": "again"},
        ],
        again=[
            {"type": "transition", "to": "ask", "condition": "vars.asked < 3"},
            _MAIL,
        ],
    ),
    # Calls, several times where the line is busy; whoever was not reached gets a text and, later, a mail.
    "call": _states(
        call=[_CALL, {"type": "transition", "to": "write", "condition": 'outcome.category != "CONTACTED"'}],
        write=[_text("We could not reach you"), {"type": "wait", "for": "5 minutes"}, _MAIL],
    ),
}
