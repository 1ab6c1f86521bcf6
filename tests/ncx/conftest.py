"""Exports of NCX as files, and what a test does with them: change, import, launch."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.loop_thread import LoopThread
from tests.runtime.house import TENANT, House
from worker.runtime.bootstrap import Runtime
from worker.runtime.ncx_import import Fate, Imported, import_ncx
from worker.runtime.settings import Settings
from worker.store.facade import Store

EXPORTS = Path(__file__).parent
FILES = tuple(sorted(EXPORTS.glob("*.json")))

CAMPAIGN = "64b0f1a2c3d4e5f6a7b80001"
SERVICE_LINE = "64b0f1a2c3d4e5f6a7b80002"
TEXTS = "64b0f1a2c3d4e5f6a7b80010"
SERVICE_WORKFLOW = "64b0f1a2c3d4e5f6a7b80011"
MAIL = "64b0f1a2c3d4e5f6a7b80012"
REMIND = "64b0f1a2c3d4e5f6a7b80020"
WRAP_UP = "64b0f1a2c3d4e5f6a7b80021"
INTERESTED = "64b0f1a2c3d4e5f6a7b80030"
CALLBACK = "64b0f1a2c3d4e5f6a7b80031"
NO_REPLY = "64b0f1a2c3d4e5f6a7b80033"


def exported(name: str) -> Any:
    """What is in one of the files, to be changed."""
    return json.loads((EXPORTS / f"{name}.json").read_text())


def the(campaign: Any = None, workflows: Any = None, functions: Any = None, dispositions: Any = None) -> dict[str, Any]:
    """The export that runs, as one bundle, with these parts in place of its own."""
    parts = {"campaign": campaign, "workflows": workflows, "functions": functions, "dispositions": dispositions}
    return {name: exported(name) if part is None else part for name, part in parts.items()}


def action_of(workflows: Any, state: str, position: int) -> dict[str, Any]:
    """An action of the workflow that runs, to be changed."""
    found: dict[str, Any] = workflows["objects"][0]["states"][state]["actions"][position]
    return found


class Desk:
    """A runtime on a database, and files to import."""

    def __init__(self, rt: Runtime, folder: Path) -> None:
        self.rt, self.folder = rt, folder

    def file(self, content: Any, name: str = "export.json") -> Path:
        """A file with this content: bytes as they are, anything else as JSON."""
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return path

    def take(self, *exports: Any, dry_run: bool = False) -> Imported:
        """Import these, each from a file of its own."""
        files = [self.file(content, f"export{number}.json") for number, content in enumerate(exports)]
        return import_ncx(self.rt, files, dry_run=dry_run)

    def saved(self, kind: str, document_id: str) -> Mapping[str, Any]:
        return self.rt.schema.retrieve(self.rt.actor, kind, document_id)

    def everything(self) -> list[Any]:
        """Every saved document with who wrote it and when."""
        kinds = ("campaign", "workflow", "disposition", "user", "template", "prompt", "campaigndisposition")
        return [document for kind in kinds for document in self.rt.store.list_documents(TENANT, kind)]


def fates(imported: Imported) -> dict[str, Fate]:
    """What became of each document, by id."""
    return {case.id: fate for case, fate in imported.documents}


def reasons(imported: Imported, document_id: str) -> list[str]:
    """Why a document is left out."""
    return [
        str(fault).removeprefix(": ")
        for case, _ in imported.documents
        if case.id == document_id
        for fault in case.faults
    ]


@pytest.fixture
def desk(sqlite_url: str, tmp_path: Path) -> Iterator[Desk]:
    folder = tmp_path / "exports"
    folder.mkdir()
    settings = Settings(_env_file=None, database_url=sqlite_url, data_dir=tmp_path, tenant_id=TENANT)
    rt = Runtime(settings, Store(sqlite_url), lambda _: None)
    yield Desk(rt, folder)
    rt.close()


@pytest.fixture
def house(database_url: str, tmp_path: Path) -> Iterator[House]:
    """An installation beside the sandbox, on each kind of database."""
    beside = LoopThread()
    opened = House(database_url, beside, tmp_path / "sandbox")
    yield opened
    opened.close()
    beside.close()
