"""What is wrong with a definition: all of it at once, each fault with its place and a remedy."""

from collections.abc import Iterable
from dataclasses import dataclass

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong. `path` leads to it in the document; `hint` says what to do, or is empty."""

    path: Path
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = ".".join(str(part) for part in self.path)
        return f"{place}: {self.message}" + (f" ({self.hint})" if self.hint else "")

    def under(self, *prefix: str | int) -> "Fault":
        """The same fault seen from further up."""
        return Fault((*prefix, *self.path), self.message, self.hint)


class Invalid(ValueError):
    """A definition has faults; nothing was changed."""

    def __init__(self, subject: str, faults: Iterable[Fault]) -> None:
        self.subject = subject
        self.faults = tuple(faults)
        super().__init__(f"{subject}: " + "; ".join(str(fault) for fault in self.faults))
