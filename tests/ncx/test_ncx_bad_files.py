"""Files that are no export, or a broken one: a sentence for each, and nothing is written."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ncx.conftest import CAMPAIGN, TEXTS, exported, fates, reasons, the
from worker.runtime.definitions import BadDefinitions
from worker.runtime.ncx_cases import read_cases
from worker.runtime.ncx_documents import find_documents
from worker.runtime.ncx_files import MAX_BYTES
from worker.runtime.ncx_import import Fate, import_ncx
from worker.runtime.ncx_judging import judge
from worker.runtime.ncx_world import Saved

CUT = json.dumps(exported("campaign")).encode()[:2000]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "export.json: is empty (export it again)"),
        (b" \n\t", "export.json: is empty"),
        (b"\xef\xbb\xbf", "export.json: is empty"),
        (b"<!DOCTYPE html><title>Log in</title>", "export.json: is a web page or XML, not JSON (has the"),
        ('{"name": "Müller"}'.encode("cp1252"), "export.json:1: is not UTF-8 (save the file as UTF-8)"),
        ('{"name": "x"}'.encode("utf-16"), "export.json:1: is not UTF-8"),
        ('{"name": "x"}'.encode("utf-16-le"), "export.json: is not UTF-8"),
        (CUT, "export.json:1: is not JSON: "),
        (b"name: x", "export.json:1: is not JSON: expecting value (is it the whole file?)"),
        (b'{"a": 1,\n "a": 2}', "export.json: a: is there twice (keep one of them)"),
        (b"[" * 10_000 + b"]" * 10_000, "export.json: is nested deeper than 64 levels"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "export.json: is nested deeper than 64 levels"),
        (b"[" * 70 + b"]" * 70, "export.json: is nested deeper than 64 levels"),
        (rb'{"name": "a\u0000b"}', "export.json: name: the text has a NUL or half of a surrogate pair (take it out)"),
        (rb'{"n": ["\ud800"]}', "export.json: n.0: the text has a NUL or half of a surrogate pair"),
        (rb'{"\ud800": 1}', "export.json: a key has a NUL or half of a surrogate pair"),
        (b'{"n": 9007199254740993}', "export.json: n: is a whole number past 2^53"),
        (b'{"n": ' + b"9" * 10_000 + b"}", "export.json: n: is a whole number past 2^53"),
        (b'{"n": NaN}', "export.json: n: is no finite number"),
        (b'{"n": 1e999}', "export.json: n: is no finite number"),
        (b"[]", "export.json: holds no document (export campaigns, workflows, functions or dispositions)"),
        (b'{"count": 0, "objects": []}', "export.json: holds no document"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_says_why_and_nothing_is_saved(desk, content, sentence):
    good, bad = desk.file(the(), "good.json"), desk.file(content)

    with pytest.raises(BadDefinitions) as refused:
        import_ncx(desk.rt, [good, bad])

    [told] = [str(fault).replace(f"{desk.folder}/", "") for fault in refused.value.faults]
    assert told.startswith(sentence)
    assert desk.everything() == []


def test_50_megabytes_are_not_even_read(desk):
    path = desk.file(b"[")
    with path.open("r+b") as file:
        file.truncate(50_000_000)

    with pytest.raises(BadDefinitions, match=f"is larger than {MAX_BYTES // 1_000_000} MB"):
        import_ncx(desk.rt, [path])


def test_every_file_that_cannot_be_read_is_told(desk):
    with pytest.raises(BadDefinitions) as refused:
        import_ncx(desk.rt, [desk.folder / "nowhere.json", desk.folder, desk.file(b"")])

    assert [fault.fault.message for fault in refused.value.faults] == ["is not there", "is a folder", "is empty"]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "must be an object (export campaigns, workflows, functions or dispositions)"),
        ("campaign", "must be an object"),
        (7, "must be an object"),
        ({}, "does not say what it is (add objectType, one of campaign, workflow, function, "),
        ({"objectType": 7, "name": "x"}, "there is no place for a 7 here"),
        ({"objectType": "campaign"}, "name: is required"),
        ({"objectType": "workflow", "_id": "w"}, "states: must have at least one state"),
        ({"states": {"a": {}}}, "workflowId: is missing, and there is no name to make one of (add it)"),
        ({"objectType": "function", "_id": "f", "states": []}, "states: must have at least one state"),
        ({"objectType": "user", "_id": {"$oid": "1"}, "username": "x"}, "_id: must be text, not a map"),
    ],
)
def test_a_document_that_is_none_is_left_out_with_a_reason(desk, value, reason):
    imported = desk.take([value])

    assert [fate for _, fate in imported.documents] == [Fate.LEFT_OUT]
    assert reasons(imported, imported.documents[0][0].id)[0].startswith(reason)
    assert desk.everything() == []


def test_two_documents_with_one_id_that_differ_are_left_out_with_what_depends_on_them(desk):
    other = exported("workflows")["objects"][0] | {"name": "Another text"}

    imported = desk.take(the(), [other])

    assert fates(imported)[TEXTS] is fates(imported)[CAMPAIGN] is Fate.LEFT_OUT
    [reason] = reasons(imported, TEXTS)
    assert reason.startswith("there is another workflow with this id, which differs: ")


def test_no_name_or_address_of_a_person_is_in_the_report(desk):
    user = exported("users_and_templates")["users"]["objects"][0] | {"timezone": "Nowhere", "email": "not an address"}

    imported = desk.take([user])

    told = " ".join([*reasons(imported, user["_id"]), repr(imported), *(case.name for case, _ in imported.documents)])
    assert "is not a time zone" in told
    assert not [word for word in ("Sam", "Visor", "supervisor@", "not an address") if word in told]


_KEYS = (
    "_id campaignId workflowId functionId dispositionId objectType name states actions type properties condition"
    " conditionType expressions objects expansions dispositions functions campaign workflows users username useForSMS"
    " start-state category stateId deletedAt"
)
_WORDS = (
    "x start-state campaign workflow function disposition user transition campaignstate savevariable"
    " smsmessageconsumer Begin AND ${ workitem.data.x a/b"
)
_LEAVES = st.sampled_from([None, True, 0, 1.5, "", *_WORDS.split()])
_EXPORTS = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_KEYS.split()), inner, max_size=5),
    max_leaves=25,
)


@given(_EXPORTS, st.sampled_from(["", "campaign", "workflow", "function", "disposition", "user", "template"]))
def test_no_export_crashes_the_import(value, kind):
    if kind:
        document = {"objectType": kind, "_id": "1", "name": "n"}
        value = document | (value if isinstance(value, dict) else {"states": value})
    cases = read_cases(find_documents(Path("export.json"), value), "US")
    judge(cases, Saved(lambda _: ()))

    assert all(case.faults or case.id for case in cases)
