"""What the documents show is executed as it stands there."""

import json
import re
from pathlib import Path

import requests

from tests.cli.conftest import ROOT, Desk
from tests.schema.conftest import token_of
from worker.schema.client import SchemaTypeClient
from worker.store.facade import Store


def blocks(file: Path, language: str, heading: str = "") -> list[str]:
    """The code blocks of a language in a Markdown file, or under one of its headings."""
    text = file.read_text()
    if heading:
        text = re.split(r"^## ", text.partition(f"## {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def default_token(database_url: str) -> str:
    """A token of the tenant that commands work for."""
    store = Store(database_url)
    token = token_of(store, tenant="default")
    store.close()
    return token


def test_the_five_calls_of_the_sdk_run_as_they_are_translated(target, store):
    source = "\n".join(blocks(ROOT / "examples" / "schema" / "sdk.md", "python"))
    names = {"url": target, "token": token_of(store)}

    exec(compile(source, "sdk.md", "exec"), names)

    names["client"].close()


def test_a_campaign_is_defined_as_the_readme_shows_it_in_yaml_python_and_http(sqlite_url, serve, tmp_path, capsys):
    url, token = serve(sqlite_url), default_token(sqlite_url)
    [yaml] = blocks(ROOT / "README.md", "yaml", "Define a campaign")
    [python] = blocks(ROOT / "README.md", "python", "Define a campaign")
    [http] = blocks(ROOT / "README.md", "http", "Define a campaign")
    (tmp_path / "winback.yaml").write_text(yaml)

    said = Desk(tmp_path, Path(sqlite_url.removeprefix("sqlite:///"))).process("save", "winback.yaml")
    assert (said.code, said.err) == (0, "")
    exec(compile(python, "README.md", "exec"), {"url": url, "token": token})
    assert capsys.readouterr().out == "1 usr_ann\n"

    head, _, body = http.replace("TOKEN", token).partition("\n\n")
    first, *lines = head.splitlines()
    method, path = first.split()
    headers = dict(line.split(": ", 1) for line in lines)
    answer = requests.request(method, url + path, headers=headers, data=body, timeout=10)
    assert (answer.status_code, answer.json()["name"]) == (201, json.loads(body)["name"])

    with SchemaTypeClient(url, token=token) as client:
        assert client.search("campaign", q="winback").total == 2
