"""Our HTTP process over a database, and people of several tenants who call it with tokens of their own."""

import itertools
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import func, select

from tests.api.web import Port, Web
from tests.loop_thread import LoopThread
from worker.api.route import DOCUMENTS
from worker.runtime.bootstrap import Runtime
from worker.runtime.settings import Settings
from worker.schema import tokens
from worker.schema.types import SCOPES
from worker.store.document_tables import contacts, document_changes, documents, idempotency_keys
from worker.store.facade import Store

TENANT = "default"
EVERY_SCOPE = tuple(map(str, SCOPES))


def make_token(store: Store, *scopes: str, tenant: str = TENANT) -> str:
    """A token of a user of this tenant, with these scopes or with all of them."""
    return tokens.create(
        store, datetime.now(UTC), tenant_id=tenant, user_id="usr_test", scopes=scopes or EVERY_SCOPE, by="test"
    )


def make_runtime(database_url: str, folder: Path, **settings: Any) -> Runtime:
    """A runtime that sends no hints."""
    changed = Settings(_env_file=None, database_url=database_url, data_dir=folder, **settings)
    return Runtime(changed, Store(database_url), lambda _: None)


class Site:
    """The process."""

    def __init__(self, beside: LoopThread, database_url: str, folder: Path, **settings: Any) -> None:
        self.store = Store(database_url)
        self.session = requests.Session()
        self._web = Web(beside, Port(), lambda: make_runtime(database_url, folder, **settings))
        self.url = self._web.url

    def close(self) -> None:
        self.session.close()
        self._web.close()
        self.store.close()


class Desk:
    """Somebody of a tenant with a token for everything, and what they do and see."""

    _tenants = itertools.count(1)

    def __init__(self, site: Site, tenant: str = "") -> None:
        self.tenant = tenant or f"tenant {next(self._tenants)}"
        self.store, self.url, self._site = site.store, site.url, site
        self.token = self.token_for()

    def token_for(self, *scopes: str) -> str:
        """A token of this tenant."""
        return make_token(self.store, *scopes, tenant=self.tenant)

    def stranger(self) -> "Desk":
        """Somebody of another tenant."""
        return Desk(self._site)

    def call(
        self, method: str, path: str, json: Any = None, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> requests.Response:
        """One request about documents, with the token for everything unless the headers have another."""
        sent = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        target = f"{self.url}{DOCUMENTS}/{path}"
        return self._site.session.request(method, target, json=json, headers=sent, timeout=10, **more)

    def get(self, path: str, **more: Any) -> requests.Response:
        return self.call("GET", path, **more)

    def post(self, path: str, json: Any = None, **more: Any) -> requests.Response:
        return self.call("POST", path, json, **more)

    def patch(self, path: str, json: Any = None, **more: Any) -> requests.Response:
        return self.call("PATCH", path, json, **more)

    def delete(self, path: str, **more: Any) -> requests.Response:
        return self.call("DELETE", path, **more)

    def rows(self) -> int:
        """How many rows the schema service has written for this tenant."""
        tables = (documents, contacts, document_changes, idempotency_keys)
        counts = [select(func.count()).where(table.c.tenant_id == self.tenant) for table in tables]
        with self.store.engine.connect() as conn:
            return sum(conn.execute(count).scalar_one() for count in counts)
