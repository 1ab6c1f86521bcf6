"""NCX action types read as ours: their names, their properties, their expressions.

1. An alias means exactly what our action means. What it cannot mean here is refused by name, with the reason.
2. NCX documents carry many properties about their editor and their agents; those are passed over. A property that
   would change what happens and that we cannot honor is refused.
3. `workitem.data` is what actions set and, else, what came with the person: here a field of the contact.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from worker.domain.workflow_actions import NEVER

_QUOTED: Final = re.compile(r"""(["'])(.*)\1""", re.DOTALL)
_NAME: Final = re.compile(r"[A-Za-z_]\w*(?:\.\w+)*", re.ASCII)
_NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?", re.ASCII)
_INTERPOLATION: Final = re.compile(r"\$\{([^{}]*)\}")
_ADDRESS: Final = re.compile(r"\+?\d{3,15}|[^\s@]+@[^\s@]+")

PARTIES: Final = frozenset({"workitem.from", "workitem.to"})
"""Where NCX names an address by one of these, it means the contact, or as a sender the campaign: our defaults."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """An NCX type: ours, their property names with ours, how values are read, and what is refused and why."""

    type: str
    names: Mapping[str, str] = field(default_factory=dict)
    read: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)


def ncx_condition(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A condition as the editor of NCX leaves it: NONE with half-filled expressions, words in any case.

    An empty right side is "not set", so that it can be asked for.
    """
    kind = str(raw.get("conditionType") or "").strip().upper()
    expressions = raw.get("expressions") or ()
    if kind == "NONE" or not expressions:
        return {"conditionType": "NONE"}
    if not isinstance(expressions, Sequence) or isinstance(expressions, str):
        return {"conditionType": kind, "expressions": expressions}
    return {"conditionType": kind, "expressions": [_expression(expression) for expression in expressions]}


def _expression(raw: Any) -> Any:
    if not isinstance(raw, Mapping):
        return raw
    right, operator = raw.get("rightExpression"), raw.get("operator")
    return {
        **raw,
        "operator": operator.strip() if isinstance(operator, str) else operator,
        "rightExpression": None if isinstance(right, str) and not right.strip() else right,
    }


def _text(value: Any) -> Any:
    """`${name}` becomes a Liquid output. Raises ValueError for anything else between the braces."""
    if not isinstance(value, str):
        return value
    return _INTERPOLATION.sub(lambda match: _output(match[1], "holds ${…} with more than a name"), value)


def _output(expression: str, otherwise: str) -> str:
    """The output of a name; `otherwise` is what is wrong with anything else."""
    name = expression.strip()
    if not _NAME.fullmatch(name):
        raise ValueError(f"{otherwise}; write it as a Liquid template")
    contact = "workitem.contact."
    return "{{ " + ("contact." + name.removeprefix(contact) if name.startswith(contact) else name) + " }}"


def _value(value: Any) -> Any:
    """The right side of an assignment: a quoted literal, a number, true, false, or a name."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if quoted := _QUOTED.fullmatch(text):
        return _text(quoted[2])
    if text in ("true", "false"):
        return text == "true"
    if _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return _text(text) if "${" in text else _output(text, "is neither a name, a number nor a quoted text")


def _address(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = value.strip().removeprefix("${").removesuffix("}").strip()
    if text in PARTIES or not text:
        return ""
    return text if _ADDRESS.fullmatch(text) else _value(text)


def _milliseconds(value: Any) -> Any:
    number = _number(value)
    return NEVER if number == -1 else number / 1000


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError("must be a number") from None


_SMS: Final = Alias(
    type="sendSms",
    names={"toAddress": "to", "fromAddress": "from"},
    read={"message": _text, "to": _address, "from": _address},
)
_TEMPLATE_ID: Final = "a workflow carries its own texts here; write the template's text into the action"

ALIASES: Final[Mapping[str, Alias]] = {
    "smsmessageconsumer": _SMS,
    "sendemail": Alias(
        type="sendEmail",
        names={"toAddress": "to", "fromAddress": "from", "body": "html"},
        read={"subject": _text, "text": _text, "html": _text, "to": _address, "from": _address},
        refused={
            "templateId": _TEMPLATE_ID,
            "dispositionId": "the mail files its own outcome; to set one yourself, add a setdisposition action",
        },
    ),
    "starttimer": Alias(type="wait", names={"timeoutInSeconds": "for"}, read={"for": _number}),
    "smswaitformessage": Alias(
        type="waitForReply",
        names={"timeoutDuration": "timeout", "stateId": "onTimeout"},
        read={"timeout": _milliseconds},
    ),
    "setdisposition": Alias(type="setDisposition", names={"dispositionId": "disposition"}),
    "transition": Alias(type="transition", names={"stateId": "to"}),
    "transitionbyname": Alias(type="transition", names={"stateName": "to"}),
    "savevariable": Alias(
        type="setVariable",
        names={"variableName": "name", "rightExpression": "value"},
        read={"name": lambda name: str(name).strip().removeprefix("workitem.data."), "value": _value},
    ),
    "function": Alias(type="callFunction", names={"functionId": "function"}),
    "functionreturn": Alias(type="return"),
    "terminate": Alias(type="terminate"),
}

_IN_CALL: Final = "it belongs inside a call with a person; use placeCall with say or play"
_AGENTS: Final = "there are no agents or queues here; set a disposition and let your contact center take over"
_REQUEST: Final = "a workflow makes no requests of its own; put the value into a field of the contact before the launch"
_CHAT: Final = "there is no chat or WhatsApp channel here; use sendSms or sendEmail"
_INBOUND: Final = "it answers something that came in; this worker sends. Use sendSms or sendEmail"
_MODEL: Final = "it needs a service this worker does not call; branch on reply.body with a condition"

_REFUSED: Final = (
    (_REQUEST, "restapi script findcontact updatelead addtimeevent"),
    (_IN_CALL, "playprompt playpromptfromexpression playpromptmusic playmusic playdigits googletts googlettscollect"),
    (_IN_CALL, "record playrecording simplemenu aftercallivr acdvm"),
    (_AGENTS, "enterqueue enterqueuefromexpression exitqueue overflowqueue queueannouncement agentavailability"),
    (_AGENTS, "skills removeskills acdcallback functiondirectconnectnoanswer assignsurvey"),
    (_TEMPLATE_ID, "smsmessagetemplate smsmessagetemplatefromexpression"),
    (_CHAT, "whatsapptemplate chatmessage waitforchatmessage"),
    (_INBOUND, "sendemailfromexpression replyemailtemplate forwardemail acdinboundemail"),
    (_MODEL, "generativeai predictcategory translate detectlanguage"),
)

CANNOT_RUN: Final[Mapping[str, str]] = {kind: reason for reason, kinds in _REFUSED for kind in kinds.split()}
"""NCX types that are known and cannot run here, each with what to do instead."""
