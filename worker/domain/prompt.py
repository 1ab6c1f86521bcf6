"""The prompt document: something a call plays, such as the notice that it is being recorded."""

from collections.abc import Iterator
from typing import Any, ClassVar

from pydantic import Field

from worker.domain.base import Document, required
from worker.domain.faults import Fault


class Prompt(Document):
    """A prompt. `text` is spoken; `audioUrl` is played instead where there is one."""

    TYPE: ClassVar[str] = "prompt"

    prompt_id: str = ""
    localizations: dict[str, Any] = Field(default_factory=dict)
    text: str = ""
    audio_url: str = ""
    language: str = ""

    def rules(self) -> Iterator[Fault]:
        yield from super().rules()
        yield from required(self, "name")
        if self.audio_url and not self.audio_url.startswith(("https://", "http://")):
            yield Fault(("audioUrl",), "must be a URL", "begin it with https://")
