"""What can go wrong in the shell, in words for the person who must do something about it."""

from pathlib import Path


class ProgramDied(Exception):
    """A program of this machine ended when it should run."""

    def __init__(self, name: str, code: int, tail: str, log: Path) -> None:
        super().__init__(f"{name} ended with code {code}; the end of {log}:\n{tail}")


class TookTooLong(Exception):
    """Something did not come about in time; the text says what was waited for."""


class PortInUse(Exception):
    """Another program listens on the port."""


class NotWritable(Exception):
    """A folder that must be written to is read-only."""


class FolderInUse(Exception):
    """Another system of this machine keeps its files in the folder."""


class Unfaithful(Exception):
    """A file of an archive does not hold what was written into it, or is not there."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path}: {why}; nothing more is deleted from the database")


class CannotLaunch(Exception):
    """A campaign cannot be launched as it stands; every reason is listed."""

    def __init__(self, reasons: list[str]) -> None:
        self.reasons = reasons
        super().__init__("; ".join(reasons))


class NotFound(LookupError):
    """Nothing of that name or id exists for this tenant."""
