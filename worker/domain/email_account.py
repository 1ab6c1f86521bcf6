"""The email account document: an address that mail may leave from. It names a secret and never holds one."""

from collections.abc import Iterator
from typing import ClassVar, Final

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
