"""The user document: a person or a service that may act on campaigns."""

from collections.abc import Iterator
from typing import ClassVar

from worker.domain.base import Document, EmailAddress, Texts, Timezone, required
from worker.domain.faults import Fault


class User(Document):
    """A user. `scopes` are the permissions, like `campaigns:admin`; `isService` marks a machine."""

    TYPE: ClassVar[str] = "user"

    user_id: str = ""
    username: str = ""
    email: EmailAddress = ""
    first_name: str = ""
    last_name: str = ""
    user_profile_id: str = ""
    role: str = ""
    enabled: bool = True
    timezone: Timezone = ""
    extension: str = ""
    phone: str = ""
    personal_inbox_campaign_id: str = ""
    default_sms_campaign_id: str = ""
    default_extension_campaign_id: str = ""
    scopes: Texts = ()
    is_service: bool = False

    def rules(self) -> Iterator[Fault]:
        yield from super().rules()
        yield from required(self, "username")
