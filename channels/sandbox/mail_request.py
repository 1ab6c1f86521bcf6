"""What SendGrid checks before it takes a mail/send request. All or nothing: one fault, and nobody is mailed.

1. The shape is pydantic's business, the rules across fields are below; the first fault found is the answer.
2. An answer names the field, like personalizations.17.to.0.email, and never repeats an address.
"""

import hashlib
import time
from collections.abc import Iterator
from typing import Annotated, Any, Final

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from channels.sandbox.core import Refused
from channels.sandbox.vendor_fields import FORBIDDEN_MAIL_HEADERS

MOST_RECIPIENTS: Final = 1000
_MOST_ARGUMENT_BYTES: Final = 10_000
_MOST_SECONDS_AHEAD: Final = 72 * 3600
_EMAIL: Final = r"^[^\s@<>,;:\"\\]+@[^\s@<>,;:\"\\]+\.[^\s@<>,;:\"\\.]+$"

_WORDING: Final = {
    "personalizations": "The personalizations field is required; it holds 1 to 1000 personalizations.",
    "from": "The from object must be provided for every email send. It is an object that requires the email parameter.",
    "to": "The to array is required for all personalization objects, and must have at least one email object with a "
    "valid email address.",
    "email": "Does not contain a valid address.",
    "value": "The content value must be a string at least one character in length.",
}
"""SendGrid's words by the last name of the field."""


def _check_header_names(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if name.lower() in FORBIDDEN_MAIL_HEADERS:
            raise ValueError(f"the header {name} is reserved")
        if "\n" in value or "\r" in value:
            raise ValueError(f"the header {name} is not one line")
    return headers


def _check_size(arguments: dict[str, Any]) -> dict[str, Any]:
    if len(orjson.dumps(arguments)) > _MOST_ARGUMENT_BYTES:
        raise ValueError("longer than 10,000 bytes")
    return arguments


def _check_send_at(moment: int) -> int:
    if moment > time.time() + _MOST_SECONDS_AHEAD:
        raise ValueError("more than 72 hours ahead")
    return moment


Headers = Annotated[dict[str, str], AfterValidator(_check_header_names)]
Arguments = Annotated[dict[str, str], AfterValidator(_check_size)]
SendAt = Annotated[int, AfterValidator(_check_send_at)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class Address(_Strict):
    """An address with an optional name."""

    email: str = Field(pattern=_EMAIL, max_length=254, repr=False)
    name: str | None = Field(default=None, repr=False)


class Content(_Strict):
    """One rendering of the mail."""

    type: str = Field(min_length=1)
    value: str = Field(min_length=1, repr=False)


class Personalization(_Strict):
    """One envelope: who sees whom, and what is special about it."""

    to: list[Address] = Field(min_length=1)
    cc: list[Address] = []
    bcc: list[Address] = []
    sender: Address | None = Field(default=None, alias="from")
    subject: str = ""
    headers: Headers = {}
    substitutions: Arguments = {}
    dynamic_template_data: dict[str, Any] = {}
    custom_args: Arguments = {}
    send_at: SendAt | None = None

    def addresses(self) -> Iterator[tuple[str, Address]]:
        """All it is sent to, each with the name of its field."""
        for name, addresses in (("to", self.to), ("cc", self.cc), ("bcc", self.bcc)):
            for address in addresses:
                yield name, address


class Mail(_Strict):
    """A mail/send request. What the sandbox has no use for is taken as it comes."""

    personalizations: list[Personalization] = Field(min_length=1, max_length=MOST_RECIPIENTS)
    sender: Address = Field(alias="from")
    reply_to: Address | None = None
    reply_to_list: list[Address] = Field(default=[], max_length=1000)
    subject: str = ""
    content: list[Content] = []
    attachments: list[dict[str, Any]] = []
    template_id: str = ""
    headers: Headers = {}
    categories: list[str] = Field(default=[], max_length=10)
    custom_args: Arguments = {}
    send_at: SendAt | None = None
    batch_id: str = ""
    asm: dict[str, Any] = {}
    ip_pool_name: str = ""
    mail_settings: dict[str, dict[str, Any]] = {}
    tracking_settings: dict[str, dict[str, Any]] = {}

    def is_on(self, setting: str) -> bool:
        """Whether a mail setting is enabled."""
        return bool(self.mail_settings.get(setting, {}).get("enable"))


def refuse(http: int, message: str, name: str | None = None) -> Refused:
    """An error in SendGrid's shape. `name`: the field at fault."""
    return Refused(http, name or str(http), {"errors": [{"message": message, "field": name}]})


def read_mail(body: bytes) -> Mail:
    """Check a request whole. Raises Refused."""
    try:
        mail = Mail.model_validate(orjson.loads(body))
    except orjson.JSONDecodeError as error:
        raise refuse(400, "Bad Request") from error
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(str(part) for part in fault["loc"])
        raise refuse(400, _WORDING.get(field.rpartition(".")[2], fault["msg"]), field or None) from error
    _check_rules(mail)
    return mail


def _check_rules(mail: Mail) -> None:
    if not mail.content and not mail.template_id:
        raise refuse(400, "Unless a valid template_id is provided, the content parameter is required.", "content")
    kinds = [{"text/plain": 0, "text/html": 1}.get(part.type, 2) for part in mail.content]
    if kinds != sorted(kinds):
        raise refuse(400, "If present, text/plain must come first, then text/html, then anything else.", "content")
    seen: set[str] = set()
    for number, person in enumerate(mail.personalizations):
        where = f"personalizations.{number}"
        if not (person.subject or mail.subject or mail.template_id):
            raise refuse(400, "The subject is required, here or for the whole mail.", f"{where}.subject")
        for name, address in person.addresses():
            if address.email.lower() in seen:
                message = "Each email address in the personalization block should be unique between to, cc, and bcc."
                raise refuse(400, f"{message} We found the first duplicate instance in {where}.{name}.", where)
            seen.add(address.email.lower())
    if len(seen) > MOST_RECIPIENTS:
        raise refuse(400, "There can be at most 1000 recipients.", "personalizations")


def hash_text(mail: Mail, person: Personalization) -> str:
    """A hash of what this person gets to read."""
    said = [mail.template_id, [part.value for part in mail.content], person.subject or mail.subject]
    own = [person.substitutions, person.dynamic_template_data]
    return hashlib.blake2b(orjson.dumps([said, own]), digest_size=16).hexdigest()
