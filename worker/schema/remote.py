"""The schema service over HTTP. Documents are JSON here; `client.py` makes models of them.

The token stands in a header, never in a URL. An answer that is none of the service's is Unavailable: a proxy spoke.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import requests

from worker.domain.faults import Fault
from worker.schema.drafts import Wire
from worker.schema.errors import ERRORS, SchemaError, TooManyRequests, Unavailable
from worker.schema.finding import Found, Search

_PATH: Final = "/data/api/types"


class Remote:
    """The service behind a URL. `timeout`: seconds to connect, and between two pieces of an answer."""

    def __init__(self, url: str, token: str, timeout: float) -> None:
        self._url, self._timeout = url.rstrip("/") + _PATH, timeout
        self._session = requests.Session()
        self._session.trust_env = False  # a .netrc would replace the token
        self._session.headers["Authorization"] = f"Bearer {token}"

    def create(self, type_name: str, data: Any, *, idempotency_key: str = "") -> Wire:
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return self._call("POST", (type_name,), json=data, headers=headers)

    def create_many(self, type_name: str, rows: Sequence[Any]) -> tuple[str, ...]:
        return tuple(self._call("POST", (type_name, "batch"), json=list(rows))["ids"])

    def retrieve(self, type_name: str, document_id: str, *, deleted: bool = False) -> Wire:
        return self._call("GET", (type_name, document_id), params={"deleted": "true"} if deleted else {})

    def update(self, type_name: str, document_id: str, changes: Any, *, modified_at: int | None = None) -> Wire:
        return self._call("PATCH", (type_name, document_id), json=changes, headers=_if_match(modified_at))

    def search(self, type_name: str, search: Search) -> Found:
        asked = {
            "q": search.q,
            "rows": search.rows,
            "start": search.start,
            "sort": search.sort,
            "cursor": search.cursor,
        }
        found = self._call("GET", (type_name,), params={key: value for key, value in asked.items() if value != ""})
        return Found(objects=tuple(found["objects"]), total=found["total"], next=found["next"])

    def delete(self, type_name: str, document_id: str, *, modified_at: int | None = None) -> None:
        self._call("DELETE", (type_name, document_id), headers=_if_match(modified_at))

    def history(self, type_name: str, document_id: str) -> tuple[Wire, ...]:
        return tuple(self._call("GET", (type_name, document_id, "history"))["objects"])

    def close(self) -> None:
        self._session.close()

    def _call(self, method: str, places: Sequence[str], **options: Any) -> Wire:
        url = "/".join((self._url, *(quote(place, safe="") for place in places)))
        try:
            answer = self._session.request(method, url, timeout=self._timeout, allow_redirects=False, **options)
        except requests.RequestException as error:
            raise Unavailable(f"{self._url} cannot be reached ({type(error).__name__})") from error
        try:
            said = answer.json() if answer.content else {}
        except requests.JSONDecodeError:
            said = None
        if not isinstance(said, Mapping) or (not answer.ok and said.get("code") != answer.status_code):
            raise Unavailable(f"{self._url} does not answer as this service does ({answer.status_code}); check the URL")
        if not answer.ok:
            raise _error(answer, said)
        return dict(said)


def _if_match(modified_at: int | None) -> dict[str, str]:
    return {} if modified_at is None else {"If-Match": f'"{modified_at}"'}


def _error(answer: requests.Response, said: Mapping[str, Any]) -> SchemaError:
    message, kind = str(said["message"]), ERRORS.get(answer.status_code)
    if kind is None:
        return SchemaError(message)
    if kind is TooManyRequests:
        return TooManyRequests(message, float(answer.headers.get("Retry-After", "1")))
    return kind(message, [Fault(tuple(f["path"]), f["message"], f.get("hint", "")) for f in said["faults"]])
