"""The OpenAPI document: it is valid, it says what is so, and what it shows works when it is pasted."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import requests
from jsonschema import Draft202012Validator
from jsonschema_rs import Draft202012Validator as Quick
from schemathesis.specs.openapi.definitions import OPENAPI_31

from worker.api.app import make_app
from worker.api.routes import ROUTES
from worker.schema.errors import ERRORS
from worker.schema.scopes import Scope
from worker.schema.types import HEADER, TYPES

DOCUMENT = json.loads(json.dumps(make_app(lambda: None).state.openapi()))
SHOWN = [route for route in ROUTES if route.shown]
STAMPS = ("createdAt", "createdBy", "modifiedAt", "modifiedBy", "at", "by")
ORDER = ("post", "get", "patch", "delete")
"""Of the requests, so that each finds what it is about."""


def operation(route) -> Mapping[str, Any]:
    return DOCUMENT["paths"][route.path][route.method.lower()]


def validator(schema: Mapping[str, Any]) -> Draft202012Validator:
    return Draft202012Validator({**schema, "components": DOCUMENT["components"]})


def resolved(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """A response, also where it is named."""
    return DOCUMENT["components"]["responses"][answer["$ref"].rpartition("/")[2]] if "$ref" in answer else answer


def json_contents(found: Any) -> Iterator[Mapping[str, Any]]:
    """Every body described anywhere below."""
    if isinstance(found, Mapping):
        if "application/json" in found:
            yield found["application/json"]
        for below in found.values():
            yield from json_contents(below)


def test_the_document_is_openapi_3_1():
    Quick(OPENAPI_31).validate(DOCUMENT)

    assert DOCUMENT["openapi"].startswith("3.1")
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_every_reference_leads_somewhere():
    text = json.dumps(DOCUMENT)
    named = {piece.split('"')[0] for piece in text.split('"$ref": "')[1:]}

    for reference in named:
        _, _, group, name = reference.split("/")
        assert name in DOCUMENT["components"][group], reference
    there = {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}
    assert there == {reference for reference in named if "/schemas/" in reference}


def test_every_route_of_the_table_is_shown_and_nothing_else():
    there = [(method.upper(), path) for path, operations in DOCUMENT["paths"].items() for method in operations]

    assert sorted(there) == sorted((route.method, route.path) for route in SHOWN)


def test_each_route_says_what_it_needs_and_all_that_it_may_answer():
    for route in SHOWN:
        told = operation(route)
        assert {int(status) for status in told["responses"]} == {route.status, *route.refuses}
        if isinstance(route.access, Scope):
            assert told["security"] == [{"token": [str(route.access)]}]
            assert f"`{route.access}`" in told["description"]
            assert {401, 403, 429, 503} <= set(route.refuses)
            assert told["tags"] == [route.kind.name if route.kind else "events" if route.path == "/events" else "runs"]
        else:
            assert told["security"] == []
            assert route.access in told["description"]


def test_each_error_is_described_in_the_one_shape():
    responses = DOCUMENT["components"]["responses"]

    assert set(responses) == {kind.__name__ for kind in ERRORS.values()}
    for name, response in responses.items():
        content = response["content"]["application/json"]
        assert content["schema"] == {"$ref": "#/components/schemas/Error"}
        assert content["example"]["type"] == name
    assert responses["Unauthorized"]["headers"]["WWW-Authenticate"]["required"]
    assert responses["TooManyRequests"]["headers"]["Retry-After"]["required"]


def test_every_example_is_as_its_schema_says():
    contents = [content for content in json_contents(DOCUMENT) if "example" in content]

    assert len(contents) > 6 * len(TYPES)
    for content in contents:
        validator(content["schema"]).validate(content["example"])


def test_every_body_that_a_client_sends_or_gets_has_an_example():
    for route in SHOWN:
        if route.kind:
            told = operation(route)
            bodies = [told["requestBody"]] if "requestBody" in told else []
            for body in (*bodies, *(map(resolved, told["responses"].values()))):
                assert all("example" in content for content in json_contents(body)), route


@pytest.mark.parametrize("kind", TYPES.values(), ids=list(TYPES))
def test_a_type_is_shown_with_its_model(kind):
    schemas, name = DOCUMENT["components"]["schemas"], kind.model.__name__
    fields = schemas[f"{name}Fields"]["properties"]

    assert set(fields) == kind.model.wire_keys()
    assert {key for key, field in fields.items() if field.get("readOnly")} == HEADER
    assert {*HEADER, "_id", kind.id_key} == set(schemas[name]["required"])
    for key in schemas[f"{name}Data"]["required"]:
        with pytest.raises(ValueError, match=key):
            kind.model.parse({})


def test_what_a_search_may_ask_for_is_told():
    [told] = [operation(route) for route in SHOWN if route.name == "search_campaign"]
    [sort] = [parameter for parameter in told["parameters"] if parameter["name"] == "sort"]

    assert "useForSMS" in told["description"]
    assert {"name", "-modifiedAt", "createdAt desc"} <= set(sort["schema"]["enum"])


@pytest.fixture
def paste(open_desk, database_url):
    """What a request is answered when everything the document shows for it is pasted."""
    desk = open_desk(database_url)

    def paste_one(route) -> requests.Response:
        told = operation(route)
        shown = {parameter["name"]: parameter.get("example") for parameter in told.get("parameters", [])}
        query = {name: value for name, value in shown.items() if value is not None and name != "id"}
        body = told.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
        path = route.path.removeprefix("/data/api/types/").replace("{id}", str(shown.get("id")))
        return desk.call(route.method, path, body, params=query)

    return paste_one


def test_every_example_works_when_it_is_pasted_from_the_top_to_the_bottom(paste):
    tags = [tag["name"] for tag in DOCUMENT["tags"] if tag["name"] in TYPES]
    assert sorted(tags) == sorted(TYPES)
    for method in ORDER:
        # What others need can be deleted once they are gone.
        for tag in reversed(tags) if method == "delete" else tags:
            for route in SHOWN:
                if route.kind and route.kind.name == tag and route.method.lower() == method:
                    _require_as_shown(route, paste(route))


def _require_as_shown(route, answer: requests.Response) -> None:
    told = operation(route)["responses"][str(answer.status_code)]
    assert answer.status_code == route.status, (route.name, answer.text)
    for name in told.get("headers", {}):
        assert answer.headers[name]
    if route.status == 204:
        assert answer.content == b""
        return
    content = told["content"]["application/json"]
    validator(content["schema"]).validate(answer.json())
    if route.handler.__name__ in ("create", "create_many"):
        assert _unstamped(answer.json()) == _unstamped(content["example"])
    if route.handler.__name__ == "search":
        assert answer.json()["total"] > 0


def _unstamped(wire: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in wire.items() if key not in STAMPS}


def test_the_page_and_the_document_are_served(desk):
    page = requests.get(f"{desk.url}/docs", timeout=10)
    document = requests.get(f"{desk.url}/openapi.json", timeout=10)

    assert (page.status_code, document.status_code) == (200, 200)
    assert "'openapi.json'" in page.text
    assert document.json() == DOCUMENT


def test_the_page_loads_nothing_from_elsewhere(desk):
    page = requests.get(f"{desk.url}/docs", timeout=10).text
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)

    assert len(loaded) == 3
    for place in loaded:
        found = requests.get(f"{desk.url}/{place}", timeout=10)
        assert (found.status_code, len(found.content) > 1000) == (200, True), place
    assert requests.get(f"{desk.url}/docs/..%2fcore.py", timeout=10).status_code == 404
