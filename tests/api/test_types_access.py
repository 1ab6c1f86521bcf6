"""Every route with every scope, without a token, and with the token of another tenant."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.api.desk import EVERY_SCOPE, Desk, make_runtime, make_token
from worker.api.app import make_app
from worker.api.examples import EXAMPLES
from worker.api.route import NoToken, Route
from worker.api.routes import ROUTES
from worker.schema.scopes import Scope
from worker.schema.types import TYPES

GUARDED = [route for route in ROUTES if isinstance(route.access, Scope)]
Answer = tuple[int, Mapping[bytes, bytes], Any]


@pytest.fixture
def ask(sqlite_url, tmp_path):
    """Ask an application in this process many things: pairs of a route and a token."""

    def ask_all(questions: Sequence[tuple[Route, str]]) -> list[Answer]:
        app = make_app(lambda: make_runtime(sqlite_url, tmp_path, api_requests_per_second=0))

        async def ask_them() -> list[Answer]:
            async with app.router.lifespan_context(app):
                return [await _answer(app, route, token) for route, token in questions]

        return asyncio.run(ask_them())

    return ask_all


async def _answer(app, route: Route, token: str) -> Answer:
    sent: list[dict[str, Any]] = []
    scope = {
        "type": "http",
        "method": route.method,
        "path": route.path.replace("{id}", "nobody"),
        "query_string": b"",
        "headers": [(b"authorization", token.encode())] if token else [],
    }

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], dict(sent[0]["headers"]), body


def test_the_application_has_no_way_in_that_the_table_does_not_name():
    app = make_app(lambda: None)

    there = [(method, route.path) for route in app.routes for method in route.methods]

    assert sorted(there) == sorted((route.method, route.path) for route in ROUTES)
    assert len(set(there)) == len(there)


def test_what_needs_no_token_is_known_by_name():
    assert {route.path: route.access for route in ROUTES if isinstance(route.access, NoToken)} == {
        "/webhooks/twilio/sms": NoToken.SIGNED,
        "/webhooks/twilio/voice": NoToken.SIGNED,
        "/webhooks/twilio/answer": NoToken.SIGNED,
        "/webhooks/sendgrid/events": NoToken.SIGNED,
        "/health": NoToken.OPEN,
        "/openapi.json": NoToken.OPEN,
        "/docs": NoToken.OPEN,
        "/docs/{asset}": NoToken.OPEN,
    }


def test_every_type_has_its_routes_and_each_states_a_scope_of_its_type():
    for kind in TYPES.values():
        rights = [(route.method, route.access.right) for route in GUARDED if route.kind is kind]
        assert {route.access.plural for route in GUARDED if route.kind is kind} == {kind.plural}
        assert sorted(set(rights)) == [("DELETE", "delete"), ("GET", "read"), ("PATCH", "write"), ("POST", "write")]


def test_each_route_lets_in_its_own_scope_alone(ask, sqlite_url, tmp_path):
    rt = make_runtime(sqlite_url, tmp_path)
    holders = {scope: make_token(rt.store, scope) for scope in EVERY_SCOPE}
    rt.close()
    questions = [(route, scope) for route in GUARDED for scope in EVERY_SCOPE]

    answers = ask([(route, holders[scope]) for route, scope in questions])

    for (route, scope), (status, _, body) in zip(questions, answers, strict=True):
        if scope == str(route.access):
            assert status in (200, 400, 404), route
        else:
            assert (status, str(route.access) in json.loads(body)["message"]) == (403, True), (route, scope)


def test_without_a_token_each_route_asks_for_one(ask):
    for route, (status, headers, body) in zip(GUARDED, ask([(route, "") for route in GUARDED]), strict=True):
        assert (status, headers[b"www-authenticate"]) == (401, b"Bearer"), route
        assert json.loads(body)["type"] == "Unauthorized"


def test_the_routes_without_a_token_tell_nothing_that_is_not_signed_for(ask):
    answers = ask([(route, "") for route in ROUTES if route not in GUARDED])

    assert [status for status, _, _ in answers] == [403, 403, 403, 403, 200, 200, 200, 404]


def test_another_tenant_never_sees_or_changes_a_document(open_desk, database_url):
    desk = open_desk(database_url, api_requests_per_second=0)
    _create_all(desk)
    before = _everything(desk)
    stranger = desk.stranger()

    for route in (route for route in GUARDED if route.kind):
        example = EXAMPLES[route.kind.name]
        path = route.path.removeprefix("/data/api/types/").replace("{id}", str(example.data[route.kind.id_key]))
        match route.method, "{id}" in route.path:
            case "GET", False:
                found = stranger.get(path, params={"q": example.q}).json()
                assert (found["total"], found["objects"]) == (0, [])
            case "GET", True:
                assert stranger.get(path).status_code == 404, route
                assert stranger.get(path, params={"deleted": "true"}).status_code == 404, route
            case "PATCH", _:
                assert stranger.patch(path, example.changes).status_code == 404, route
            case "DELETE", _:
                assert stranger.delete(path).status_code == 404, route
            case "POST", _ if route.kind.references:
                # What it names exists for others only.
                assert stranger.post(path, example.data).status_code == 422, route
            case "POST", _:
                stated = {**example.data, "tenantId": desk.tenant}
                assert stranger.post(path, [stated] if "batch" in path else stated).status_code == 422, route
            case _:
                raise AssertionError(route)

    assert _everything(desk) == before
    assert {found["total"] for found in _everything(stranger).values()} == {0}


def test_two_tenants_may_use_the_same_ids_and_names(desk):
    stranger = desk.stranger()
    ours = desk.post("prompt", {"promptId": "p", "name": "Notice"}).json()

    theirs = stranger.post("prompt", {"promptId": "p", "name": "Notice", "text": "Theirs"})
    stranger.delete("prompt/p")

    assert theirs.json()["tenantId"] == stranger.tenant
    assert desk.get("prompt/p").json() == ours


def test_a_cursor_of_another_tenant_shows_nothing_of_theirs(desk):
    for number in range(3):
        desk.post("prompt", {"name": f"Notice {number}"})
    cursor = desk.get("prompt?rows=1").json()["next"]

    assert desk.stranger().get("prompt", params={"rows": 1, "cursor": cursor}).json()["objects"] == []


def test_a_key_of_another_tenant_gives_none_of_their_documents(desk):
    ours, theirs = (
        someone.post("prompt", {"name": "Notice"}, headers={"Idempotency-Key": "k"})
        for someone in (desk, desk.stranger())
    )

    assert (ours.status_code, theirs.status_code) == (201, 201)
    assert ours.json()["_id"] != theirs.json()["_id"]


def _create_all(desk: Desk) -> None:
    """The examples, each after those it names."""
    waiting = dict(EXAMPLES)
    while waiting:
        made = [name for name, example in waiting.items() if desk.post(name, example.data).status_code == 201]
        assert made, waiting
        for name in made:
            del waiting[name]


def _everything(desk: Desk) -> dict[str, Any]:
    return {name: desk.get(name).json() for name in TYPES}
