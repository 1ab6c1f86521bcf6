"""What fails where events come in: clients of Redis and stores that do what they should, but for one thing."""

from sqlalchemy.exc import DataError, OperationalError


class LosesPipelines:
    """A client whose connection breaks when it comes to acknowledge."""

    def __init__(self, client):
        self._client = client

    def __getattr__(self, name):
        return getattr(self._client, name)

    def pipeline(self, **_):
        raise ConnectionError("killed")


class Trips:
    """A client that fails in a way nobody has thought of, so many times."""

    def __init__(self, client, times):
        self._client, self.left = client, times

    def __getattr__(self, name):
        return getattr(self._client, name)

    def xreadgroup(self, *args, **kwargs):
        if self.left:
            self.left -= 1
            raise KeyError("nobody has thought of it")
        return self._client.xreadgroup(*args, **kwargs)


class CannotHold:
    """A store whose database cannot hold the event with this key."""

    def __init__(self, store, key):
        self._store, self._key = store, key

    def __getattr__(self, name):
        return getattr(self._store, name)

    def accept_events(self, tenant_id, entries, *args, **kwargs):
        if self._key in {entry.key for entry in entries}:
            raise DataError("INSERT", {}, Exception("too much"))
        return self._store.accept_events(tenant_id, entries, *args, **kwargs)


class Away:
    """A store whose database is away so many times when events come."""

    def __init__(self, store, times):
        self._store, self._times, self.failed = store, times, 0

    def __getattr__(self, name):
        return getattr(self._store, name)

    def accept_events(self, *args, **kwargs):
        if self.failed < self._times:
            self.failed += 1
            raise OperationalError("INSERT", {}, Exception("away"))
        return self._store.accept_events(*args, **kwargs)
