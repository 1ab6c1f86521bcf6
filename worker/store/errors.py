"""What the store refuses, each with what to do about it. Nothing was changed when one of these is raised."""

from collections.abc import Collection, Sequence

from worker.domain.run import Canary, RunStatus, Who, listed, may_follow


class StoreError(Exception):
    """The store refused. Nothing was changed."""


class BadDatabaseUrl(StoreError, ValueError):
    """The URL names no database we can use. It is not repeated here: it may hold a password."""

    def __init__(self, why: str) -> None:
        super().__init__(f"DATABASE_URL: {why}; use sqlite:///file or postgresql://user@host/name")


class NameTaken(StoreError):
    """Another live document of this type has the name."""

    def __init__(self, document_type: str, name: str) -> None:
        self.document_type, self.name = document_type, name
        super().__init__(f"there is already a {document_type} named {name!r}; rename one of them")


class IdTaken(StoreError):
    """Another document of this type has the id, live or deleted: ids are never used again."""

    def __init__(self, document_type: str, document_id: str) -> None:
        super().__init__(f"there is already a {document_type} with the id {document_id!r}; leave the id out to get one")


class AddressTaken(StoreError):
    """Another contact has this external id, number or mail address. It is not repeated here."""

    def __init__(self, key: str, contact_id: str) -> None:
        self.key, self.contact_id = key, contact_id
        super().__init__(f"contact {contact_id} has this {key}; update that one instead")


class StillUsed(StoreError):
    """Live documents need this one. `users` are their types and ids."""

    def __init__(self, document_type: str, document_id: str, users: Sequence[tuple[str, str]]) -> None:
        self.users = tuple(users)
        listed = ", ".join(f"{kind} {key}" for kind, key in users)
        super().__init__(f"{document_type} {document_id} is needed by {listed}; change or delete them first")


class UnderWay(StoreError):
    """A run of this campaign is going on."""

    def __init__(self, campaign_id: str, run_id: str) -> None:
        super().__init__(f"run {run_id} of campaign {campaign_id} is going on; cancel it first")


class Outdated(StoreError):
    """A document is not as the caller saw it. Nothing was changed; read again and decide anew."""

    def __init__(self, document_type: str, document_id: str) -> None:
        self.document_type, self.document_id = document_type, document_id
        super().__init__(f"{document_type} {document_id} was changed meanwhile; read it again")


class KeyReused(StoreError):
    """An idempotency key came again with another request."""

    def __init__(self) -> None:
        super().__init__("this Idempotency-Key was used for another request; draw a new one for each request")


class TooCostly(StoreError):
    """A search took longer than it may."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the search takes more than {seconds:g} s; ask for less, or add a condition that few match")


class NotFound(StoreError):
    """No such row for this tenant."""

    def __init__(self, kind: str, key: str) -> None:
        self.kind, self.key = kind, key
        super().__init__(f"no {kind} {key!r}; check the id")


class NotNow(StoreError):
    """A run is not in a state for what was asked."""


class IllegalTransition(NotNow):
    """A run cannot go from the status it has to the one asked for."""

    def __init__(self, run_id: str, status: RunStatus, to: RunStatus) -> None:
        self.run_id, self.status, self.to = run_id, status, to
        after = may_follow(status)
        why = f", only {listed(after)}" if after else f": {status} is final"
        super().__init__(f"run {run_id} is {status} and cannot become {to}{why}")


class AlreadyStarted(NotNow):
    """Only a draft or a scheduled run can be started."""

    def __init__(self, run_id: str, status: RunStatus) -> None:
        paused = "; `campaigns resume` lets it go on" if status is RunStatus.PAUSED else ""
        super().__init__(f"run {run_id} is {status}, it waits for no start{paused}")


class NotStarted(NotNow):
    """Only a run that was started can be resumed."""

    def __init__(self, run_id: str, status: RunStatus) -> None:
        super().__init__(f"run {run_id} is {status}, there is nothing to resume; `campaigns start` starts it")


class NothingToRelease(NotNow):
    """Nobody waits for the canary of a run, or it is not enrolled as a whole."""

    def __init__(self, run_id: str, canary: Canary) -> None:
        why = "its canary is still being enrolled; resume it, and release it then" if canary else "it has no canary"
        super().__init__(f"run {run_id} has nobody to release: {why}")


class CanaryIsOver(NotNow):
    """A canary of which nobody is left is not resumed for more of the same."""

    def __init__(self, run_id: str) -> None:
        super().__init__(
            f"the canary of run {run_id} has come to its end, there is nothing more to watch;"
            " `campaigns resume --release` lets the others follow, or cancel it"
        )


class CannotArchive(NotNow):
    """A run whose rows others still need, or that is archived already."""

    def __init__(self, run_id: str, reason: str) -> None:
        self.run_id, self.reason = run_id, reason
        super().__init__(f"run {run_id} cannot be archived: {reason}")


class PeopleArchived(NotNow):
    """A launch leaves out the people of a run, and who they were is in its archive only."""

    def __init__(self, run_id: str) -> None:
        super().__init__(
            f"run {run_id} is archived, its people cannot be left out; leave out whom it contacted by a list"
        )


class NotOpen(NotNow):
    """Only a run whose people come one by one can be closed."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"run {run_id} takes no events and no dates, there is nothing to close; pause or cancel it")


class NotYours(NotNow):
    """A change of a run that others have to make."""

    def __init__(self, run_id: str, to: RunStatus, allowed: Collection[Who]) -> None:
        super().__init__(f"only {' or '.join(sorted(allowed))} may make run {run_id} {to}")


class AlreadyRunning(NotNow):
    """A run of the same campaign over the same list goes on: a second one would contact everybody twice.

    `draft`: it is in the way of one, which says itself whether it starts all the same.
    """

    def __init__(self, run_id: str, status: RunStatus, *, draft: bool = False) -> None:
        self.run_id, self.status = run_id, status
        remedy = "cancel the draft and launch anew with --again" if draft else "launch with --again"
        super().__init__(f"{run_id} of this campaign over this list is {status}; cancel it, or {remedy}")


class AlreadyListening(NotNow):
    """A run of the same campaign takes its events or dates: with a second one everybody would be enrolled twice.

    `draft`: it is in the way of one.
    """

    def __init__(self, run_id: str, status: RunStatus, what: str = "events", *, draft: bool = False) -> None:
        self.run_id, self.status, self.what = run_id, status, what
        remedy = "cancel the draft and launch anew with --replace" if draft else "launch with --replace"
        super().__init__(f"{run_id} of this campaign is {status} and takes its {what}; {remedy} to take its place")


class NotAllNew(StoreError):
    """Somebody of a batch is here already, or is in it twice."""

    def __init__(self) -> None:
        super().__init__("not all of these people are new; look them up")


class ImportOvertaken(StoreError):
    """Somebody else imports the same file at the same time."""

    def __init__(self) -> None:
        super().__init__("the same file is being imported by another command; let that one end")


class NotMigrated(StoreError):
    """The schema of the database is not the one this version needs."""

    def __init__(self, found: str, needed: str) -> None:
        super().__init__(
            f"the database is at schema revision {found or 'none'}, this version needs {needed};"
            " stop the workers and migrate it (`campaigns migrate`)"
        )


class CommitUnknown(StoreError):
    """The connection broke while committing: the change was made wholly or not at all, and only reading it back tells.

    Not retried here, since the work may not be repeatable. Claims expire by their lease, commits are fenced, inserts
    have unique keys; so the caller may simply go on.
    """
