"""Definitions in files: every fault with its file and line, all of them at once, and nothing half loaded."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent

import pytest

from worker.domain.effects import Dispatch
from worker.domain.enrollment import Enrollment, EnrollmentStatus, Recipient
from worker.domain.events import Started
from worker.engine.definition import compile_definition
from worker.engine.step import step
from worker.runtime.definitions import BadDefinitions, load_definitions
from worker.runtime.import_row import Imported
from worker.runtime.importing import read_contacts

EXAMPLE = Path(__file__).parents[2] / "examples" / "renewal"

_CAMPAIGN = """\
name: Renewal Q4
workflowId: renewal
useForSMS: true
smsFromAddress: 8885551212
"""
_WORKFLOW = """\
workflowId: renewal
states:
  text:
    actions:
      - type: sendSms
        message: Hello {{ contact.firstName }}
"""


@pytest.fixture
def written(tmp_path):
    """Writes files into a folder and gives the folder."""

    def write(**files):
        for name, text in files.items():
            stem, _, suffix = name.rpartition("_")
            (tmp_path / f"{stem}.{suffix}").write_text(dedent(text), encoding="utf-8")
        return tmp_path

    return write


def _faults(folder):
    with pytest.raises(BadDefinitions) as refusal:
        load_definitions([folder])
    return [str(fault).removeprefix(f"{folder}/") for fault in refusal.value.faults]


def test_the_example_has_no_fault():
    definitions = load_definitions([EXAMPLE])

    assert set(definitions.campaigns) == {"renewal-q4"}
    assert set(definitions.workflows) == {"renewal"}
    assert len(definitions.dispositions) == 7
    assert definitions.campaigns["renewal-q4"]["smsFromAddress"] == "+12125550100"


def test_every_contact_of_the_example_gets_a_first_text_or_mail():
    definitions = load_definitions([EXAMPLE])
    definition = compile_definition(
        campaign=definitions.campaigns["renewal-q4"],
        workflows=definitions.workflows,
        dispositions=list(definitions.dispositions.values()),
    )
    now = datetime(2026, 11, 23, 15, tzinfo=UTC)

    for row in read_contacts(EXAMPLE / "contacts.csv"):
        if isinstance(row, Imported):
            contact = row.contact
            recipient = Recipient(contact_id="c", phone=contact.phone, email=contact.email, fields=contact.fields)
            enrollment = Enrollment(enrollment_id=f"e{row.row}", recipient=recipient)

            transition = step(definition, enrollment, Started(), now)

            assert transition.enrollment.status is EnrollmentStatus.WAITING, transition.enrollment.reason
            assert [type(effect) for effect in transition.effects] == [Dispatch]


def test_a_document_says_by_its_keys_what_it_is(written):
    definitions = load_definitions([written(all_yaml=_CAMPAIGN + "---\n" + _WORKFLOW)])

    assert [(document.type, document.id) for document in definitions.documents] == [
        ("campaign", "renewal-q4"),
        ("workflow", "renewal"),
    ]


def test_json_and_yaml_mean_the_same(written):
    campaign = {"name": "Renewal \U0001f600 Q4", "workflowId": "renewal", "objectType": "campaign"}
    folder = written(
        c_json=json.dumps(campaign, indent="\t"),
        w_yaml="workflowId: renewal\nstates: {end: {actions: [{type: terminate}]}}\n",
    )

    definitions = load_definitions([folder])

    assert definitions.campaigns["renewal-q4"]["name"] == campaign["name"]


def test_a_file_may_hold_a_list_of_documents(written):
    folder = written(
        c_yaml=_CAMPAIGN, w_yaml=_WORKFLOW, d_yaml="- {code: A1, name: A}\n- {dispositionId: b, name: B}\n"
    )
    (folder / "d.yaml").write_text(
        "- {objectType: disposition, code: A1, name: A}\n- {dispositionId: b, name: B}\n", encoding="utf-8"
    )

    assert set(load_definitions([folder]).dispositions) == {"a", "b"}


def test_every_fault_of_every_file_has_its_line(written):
    folder = written(
        c_yaml="""\
        # a comment
        name: Renewal Q4
        smsFromAdress: 8885551212
        useForSMS: true

        workflowId: renewal
        """,
        w_yaml="""\
        workflowId: renewal
        states:
          text:
            actions:
              - type: sendSMSS
                message: Hello
              - type: transition
                to: nowhere
        """,
    )

    faults = _faults(folder)

    assert "c.yaml:3: smsFromAdress: is not a key of this document (did you mean smsFromAddress?)" in faults
    assert any(fault.startswith("c.yaml:2: smsFromAddress: is required") for fault in faults)
    assert any(fault.startswith("w.yaml:5: states.text.actions.0.type: ") for fault in faults)


def test_a_fault_between_documents_stands_where_it_is_mended(written):
    folder = written(
        c_yaml=_CAMPAIGN + "dispositions: [RENEWD]\n",
        w_yaml=_WORKFLOW.replace(
            "      - type: sendSms", "      - type: transition\n        to: txt\n      - type: sendSms"
        ),
        d_yaml="objectType: disposition\nname: Renewed\n",
    )

    faults = _faults(folder)

    assert "c.yaml:5: dispositions: there is no disposition RENEWD (did you mean RENEWED?)" in faults
    assert any(fault.startswith("w.yaml:6: states.text.actions.0.to: there is no state txt") for fault in faults)


def test_a_campaign_without_its_workflow_is_refused(written):
    assert _faults(written(c_yaml=_CAMPAIGN, w_yaml=_WORKFLOW.replace(": renewal", ": renewals"))) == [
        "c.yaml:2: workflowId: there is no workflow renewal (did you mean renewals?)"
    ]


def test_a_channel_the_campaign_has_off_is_a_fault_of_the_action(written):
    faults = _faults(written(c_yaml=_CAMPAIGN.replace("true", "false"), w_yaml=_WORKFLOW))

    assert any(fault.startswith("w.yaml:5: ") and "useForSMS" in fault for fault in faults)


def test_a_fault_in_a_workflow_that_another_one_calls_stands_in_its_own_file(written):
    main = "workflowId: renewal\nstates: {begin: {actions: [{type: callFunction, function: ask}]}}\n"
    called = _WORKFLOW.replace(": renewal", ": ask").replace("      - type", "      # a comment\n      - type")

    faults = _faults(written(a_yaml=_CAMPAIGN.replace("true", "false"), b_yaml=main, z_yaml=called))

    assert [fault.partition(": ")[0] for fault in faults] == ["z.yaml:6"]


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("name: Renewal\nworkflowId renewal\n", 2, "expected `key: value`"),
        ("name: Renewal\n\tworkflowId: renewal\n", 2, "not tabs"),
        ("name: Renewal: Q4\n", 1, "needs quotes"),
        ("name: [a, b\nworkflowId: x\n", 2, "a bracket is opened"),
        ("name: a\nname: b\n", 2, "remove one of the two"),
        ("&a\nname: *a\n", 0, "remove the anchor"),
        ("- just\n- text\n", 1, "begin with objectType"),
        ("colour: red\n", 1, "add objectType, one of campaign"),
        ("objectType: campain\n", 1, "did you mean campaign?"),
        ("# nothing\n", 0, "write a document"),
    ],
)
def test_a_broken_file_says_where_and_what_was_expected(written, text, line, expected):
    (fault, *_) = _faults(written(c_yaml=text))

    assert fault.startswith(f"c.yaml:{line}: " if line else "c.yaml: ")
    assert expected in fault


def test_broken_json_says_where(written):
    (fault,) = _faults(written(c_json='{\n  "name": "Renewal",\n}\n'))

    assert fault.startswith("c.json:3: is not JSON")
    assert "none at the end" in fault


def test_a_file_in_another_encoding_is_refused(tmp_path):
    (tmp_path / "c.yaml").write_bytes("name: Renewal\ndescription: Verl\u00e4ngerung\n".encode("cp1252"))

    assert _faults(tmp_path) == ["c.yaml:2: is not UTF-8 (save the file as UTF-8)"]


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(BadDefinitions, match="is not there"):
        load_definitions([tmp_path / "nowhere.yaml"])
    with pytest.raises(BadDefinitions, match="has no definitions"):
        load_definitions([tmp_path])


def test_two_documents_of_one_name_are_refused(written):
    (fault,) = _faults(written(a_yaml=_CAMPAIGN, b_yaml=_CAMPAIGN + "campaignId: other\n", w_yaml=_WORKFLOW))

    assert fault.startswith("b.yaml:1: name: there is another campaign with this name in ")
    assert "a.yaml:1" in fault


def test_an_ncx_campaign_keeps_its_many_keys(written):
    ncx = {"emailaccountId": "x", "outboundANI": "", "maxDialRatio": "3", "recordingPercentage": 100}
    text = _CAMPAIGN + "".join(f"{key}: {json.dumps(value)}\n" for key, value in ncx.items())

    data = load_definitions([written(c_yaml=text, w_yaml=_WORKFLOW)]).campaigns["renewal-q4"]

    assert {key: data[key] for key in ncx} == ncx


def test_a_date_in_yaml_stays_text(written):
    text = _CAMPAIGN + "seasonEnds: 2026-12-31\n"

    data = load_definitions([written(c_yaml=text, w_yaml=_WORKFLOW)]).campaigns["renewal-q4"]

    assert data["seasonEnds"] == "2026-12-31"


def test_one_wrong_word_in_the_example_is_found_where_it_stands(tmp_path):
    folder = Path(shutil.copytree(EXAMPLE, tmp_path / "renewal"))
    workflow = folder / "workflow.yaml"
    text = workflow.read_text(encoding="utf-8").replace("to: renewed", "to: renewd")
    workflow.write_text(text, encoding="utf-8")
    line = text[: text.index("to: renewd")].count("\n") + 1

    assert any(
        fault.startswith(f"workflow.yaml:{line}: ") and "did you mean renewed?" in fault for fault in _faults(folder)
    )


_LISTENING = (
    _CAMPAIGN
    + """\
triggers:
  - event: cart.abandoned
    condition: event.dta.total > 20
cancelOn:
  - event: order.placed
    condition: strt.data.id == 1
"""
)


@pytest.mark.parametrize(
    ("workflow", "others"),
    [
        (_WORKFLOW, []),
        (_WORKFLOW.replace("renewal", "other"), ["campaign.yaml:2: workflowId: there is no workflow renewal"]),
        (
            _WORKFLOW.replace("actions:", "action:"),
            ["workflow.yaml:4: states.text.action: is not a key of this object"],
        ),
    ],
)
def test_a_condition_of_a_trigger_is_at_fault_where_it_stands_whatever_else_is(written, workflow, others):
    found = _faults(written(campaign_yaml=_LISTENING, workflow_yaml=workflow))

    conditions = [
        "campaign.yaml:7: triggers.0.condition: event has no dta (write event.data)",
        "campaign.yaml:10: cancelOn.0.condition: there is no strt here (did you mean start?)",
    ]
    assert [fault.partition(" (")[0] for fault in found if fault not in conditions] == others
    assert [fault for fault in found if fault in conditions] == conditions
