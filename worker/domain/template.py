"""The template document: a text by name. It is kept for those who write messages; workflows carry their own texts."""

from collections.abc import Iterator
from typing import Any, ClassVar

from pydantic import Field

from worker.domain.base import Document, required
from worker.domain.faults import Fault


class Template(Document):
    """A template. `text` is the body of a text or a plain mail, `html` that of a mail, `subject` its subject."""

    TYPE: ClassVar[str] = "template"

    template_id: str = ""
    localizations: dict[str, Any] = Field(default_factory=dict)
    subject: str = ""
    text: str = ""
    html: str = ""
    language: str = ""

    def rules(self) -> Iterator[Fault]:
        yield from super().rules()
        yield from required(self, "name")
