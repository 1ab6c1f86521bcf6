"""The email account document: an address that mail may leave from. It names a secret and never holds one."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Final

from pydantic import Field

from worker.domain.base import Document, EmailAddress, required
from worker.domain.faults import Fault

DISPATCHING_TYPE: Final = "SENDGRID"
"""The type of account this worker sends through. Accounts of other types are kept and not used."""

_SECRETS: Final = ("password", "apiKey", "clientSecret", "smtpPassword")


class EmailAccount(Document):
    """A sender of mail. `credentialRef` is the name of an environment variable."""

    TYPE: ClassVar[str] = "emailaccount"

    email_account_id: str = ""
    email_address: EmailAddress = ""
    type: str = DISPATCHING_TYPE
    outbound_only: bool = False
    display_name: str = ""
    reply_to: EmailAddress = ""
    credential_ref: str = ""
    enabled: bool = True
    per_minute: int = Field(default=0, ge=0)
    """Mails per minute; 0 is no limit of its own."""

    def rules(self) -> Iterator[Fault]:
        yield from super().rules()
        yield from required(self, "name", "emailAddress")
        for key in _SECRETS:
            if (self.model_extra or {}).get(key):
                yield Fault(
                    (key,), "is a secret and has no place here", "put it in the environment, name it in credentialRef"
                )


def sender_pool(from_address: str, documents: Iterable[Mapping[str, Any]]) -> tuple[EmailAccount, ...]:
    """The accounts that mail leaves from: the one of this address first, then the others in the order given.

    Only live and enabled ones that this worker can send through.
    """
    accounts = [EmailAccount.parse(document) for document in documents]
    usable = [one for one in accounts if one.is_live and one.enabled and one.type.upper() == DISPATCHING_TYPE]
    return tuple(sorted(usable, key=lambda one: one.email_address.casefold() != from_address.casefold()))
