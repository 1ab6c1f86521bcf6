"""What the store refuses, each with what to do about it. Nothing was changed when one of these is raised."""

from worker.domain.run import RunStatus


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


class NotFound(StoreError):
    """No such row for this tenant."""

    def __init__(self, kind: str, key: str) -> None:
        self.kind, self.key = kind, key
        super().__init__(f"no {kind} {key!r}; check the id")


class IllegalTransition(StoreError):
    """A run cannot go from the status it has to the one asked for."""

    def __init__(self, run_id: str, status: RunStatus, to: RunStatus) -> None:
        self.run_id, self.status, self.to = run_id, status, to
        super().__init__(f"run {run_id} is {status} and cannot become {to}")


class AlreadyRunning(StoreError):
    """A run of the same campaign over the same list goes on: a second one would contact everybody twice."""

    def __init__(self, run_id: str, status: RunStatus) -> None:
        self.run_id, self.status = run_id, status
        super().__init__(f"{run_id} of this campaign over this list is {status}; cancel it, or launch with --again")


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
