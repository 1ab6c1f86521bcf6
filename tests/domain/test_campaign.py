"""A campaign document is read as NCX writes it, kept whole, and refused with all its faults at once."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.messages import ChannelKind
from worker.domain.base import Document
from worker.domain.campaign import Campaign, CampaignSupervisor, CampaignType
from worker.domain.contact import Contact
from worker.domain.contact_list import ContactList
from worker.domain.disposition import Disposition
from worker.domain.email_account import EmailAccount
from worker.domain.faults import Invalid
from worker.domain.user import User

_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=8,
)
_MODELS = (Campaign, Contact, ContactList, Disposition, EmailAccount, User, CampaignSupervisor)


def _campaign(**changes):
    return {"name": "Renewal Q4", "workflowId": "wf_1"} | changes


def _faults(data):
    with pytest.raises(Invalid) as refusal:
        Campaign.parse(data)
    return {".".join(map(str, fault.path)): fault for fault in refusal.value.faults}


def test_a_campaign_needs_a_name_and_a_workflow_and_nothing_else():
    campaign = Campaign.parse(_campaign())

    assert campaign.type is CampaignType.DEFAULT
    assert campaign.is_live
    assert campaign.channels == frozenset()
    assert set(_faults({})) == {"name", "workflowId"}


def test_all_faults_are_told_at_once():
    faults = _faults(
        {
            "type": "PERSONEL",
            "createdAt": 1_700_000_000,
            "useForSMS": "perhaps",
            "useForEmail": True,
            "callerId": "555",
            "recordingAnalysisPercentage": 300,
            "objectType": "campain",
            "supervisor": 4.5,
        }
    )

    assert set(faults) == {
        "type",
        "createdAt",
        "useForSMS",
        "emailFromAddress",
        "callerId",
        "recordingAnalysisPercentage",
        "objectType",
        "supervisor",
        "name",
        "workflowId",
    }
    assert faults["type"].hint == "did you mean PERSONAL?"
    assert "milliseconds" in faults["createdAt"].hint
    assert "emailFromAddress" in faults["emailFromAddress"].hint


def test_what_ncx_sends_is_understood():
    campaign = Campaign.parse(
        _campaign(
            useForSMS="true",
            smsFromAddress=8885551212,
            callerId="",
            emailFromAddress="",
            useForEmail="",
            busyCallbackInMinutes="",
            recordingPromptId=None,
            createdAt="1700000000000",
            deletedAt=0,
            recordingAnalysisPercentage="0.1",
            maxAttempts="3",
        )
    )

    assert campaign.sms_from_address == "+18885551212"
    assert campaign.created_at == 1_700_000_000_000
    assert campaign.recording_analysis_percentage == 0.1
    assert campaign.max_attempts == 3
    assert campaign.channels == {ChannelKind.SMS}


def test_a_number_is_read_in_the_country_of_the_tenant():
    campaign = Campaign.parse(_campaign(smsFromAddress="020 7946 0123"), default_region="GB")

    assert campaign.sms_from_address == "+442079460123"


@pytest.mark.parametrize("sender", ["12345", "MG" + "0a" * 16, "Acme"])
def test_a_short_code_a_service_and_a_name_may_send_texts(sender):
    assert Campaign.parse(_campaign(useForSMS=True, smsFromAddress=sender)).sender(ChannelKind.SMS) == sender


@pytest.mark.parametrize(
    ("flag", "sender"),
    [("useForSMS", "smsFromAddress"), ("useForEmail", "emailFromAddress"), ("useForOutbound", "callerId")],
)
def test_a_channel_that_is_on_needs_its_sender(flag, sender):
    assert set(_faults(_campaign(**{flag: True}))) == {sender}


def test_a_channel_that_is_off_sends_nothing_although_its_sender_is_there():
    campaign = Campaign.parse(_campaign(callerId="+18885551212", smsFromAddress="+18885551212"))

    assert campaign.channels == frozenset()


def test_what_to_do_in_doubt_is_said_by_channel():
    written = {"sms": "hold", "email": {"resendAfter": "30 minutes"}}
    campaign = Campaign.parse(_campaign(whenUnknown=written))

    assert campaign.resend_after == {ChannelKind.SMS: None, ChannelKind.EMAIL: timedelta(minutes=30)}
    assert campaign.to_wire()["whenUnknown"] == written


@pytest.mark.parametrize("written", [None, "", {}])
def test_a_campaign_that_says_nothing_about_doubt_leaves_it_to_the_installation(written):
    assert Campaign.parse(_campaign(whenUnknown=written)).resend_after == {}


def test_everything_that_is_wrong_with_it_is_told_at_once():
    faults = _faults(
        {
            "name": "x",
            "whenUnknown": {
                "emial": "hold",
                "fax": "hold",
                "sms": "resend",
                "voice": {"resendAfter": "soon"},
                "email": {"resendAfter": "5 seconds"},
            },
        }
    )

    assert set(faults) == {"workflowId", *(f"whenUnknown.{key}" for key in ("emial", "fax", "sms", "voice", "email"))}
    assert faults["whenUnknown.emial"].hint == "did you mean email?"
    assert faults["whenUnknown.fax"].hint == "one of sms, email, voice"
    assert faults["whenUnknown.sms"].message == "must be hold or {resendAfter: 30 minutes}"
    assert faults["whenUnknown.voice"].hint.startswith("write 2 days")
    assert faults["whenUnknown.email"].hint == "write at least 1 minute"


@pytest.mark.parametrize(
    "written",
    ["hold", ["email"], {"email": None}, {"email": {}}, {"email": {"resendAfter": True}}, {"sms": {"hold": 1}}],
)
def test_no_other_shape_is_taken_for_a_policy(written):
    assert {key.partition(".")[0] for key in _faults(_campaign(whenUnknown=written))} == {"whenUnknown"}


@pytest.mark.parametrize("flag", ["useForPredictive", "useForProgressive"])
def test_dialing_for_agents_needs_the_permission_to_call(flag):
    assert set(_faults(_campaign(**{flag: True}))) == {flag}
    assert set(_faults(_campaign(**{flag: True}, useForOutbound=True, callerId="+18885551212", type="PERSONAL"))) == {
        flag
    }


def test_a_caller_id_may_be_an_id_until_calls_are_on():
    assert Campaign.parse(_campaign(callerId="pstn_main")).caller_id == "pstn_main"
    assert set(_faults(_campaign(callerId="pstn_main", useForOutbound=True))) == {"callerId"}


@pytest.mark.parametrize(
    "written",
    [
        ["a", "b"],
        {"a": {"name": "A"}, "b": True},
        [{"dispositionId": "a"}, {"dispositionId": "b", "name": "B"}],
        {"count": 2, "objects": [{"dispositionId": "a", "expansions": {}}, {"dispositionId": "b"}]},
    ],
)
def test_dispositions_are_read_in_every_shape_and_given_back_as_they_came(written):
    campaign = Campaign.parse(_campaign(dispositions=written))

    assert campaign.offered_dispositions == {"a", "b"}
    assert campaign.to_wire()["dispositions"] == written


@pytest.mark.parametrize(
    "written", ["usr_1", ["usr_1"], {"userId": "usr_1", "notify": ["email"]}, [{"userId": "usr_1"}]]
)
def test_a_supervisor_may_be_a_bare_id(written):
    assert Campaign.parse(_campaign(supervisor=written)).supervisors == ("usr_1",)


def test_a_document_that_is_no_map_is_refused():
    assert "must be a map" in _faults(["name"])[""].message
    assert "must be text" in _faults({1: "x"})["1"].message


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud83d", object(), [{("a",): 1}], 2**70, "a\0b"])
def test_what_json_cannot_hold_is_refused(value):
    assert "JSON" in _faults(_campaign(extra=value))[""].message


@given(st.dictionaries(_TEXT.filter(bool), _JSON, max_size=6))
def test_an_unknown_key_is_given_back_as_it_came(extra):
    unknown = {key: value for key, value in extra.items() if key not in Campaign.wire_keys()}

    wire = Campaign.parse(_campaign(**unknown)).to_wire()

    assert {key: wire[key] for key in unknown} == unknown


@given(st.dictionaries(st.sampled_from(sorted(Campaign.wire_keys())) | st.text(max_size=12), _JSON, max_size=8))
def test_whatever_is_written_is_a_campaign_or_refused(data):
    try:
        campaign = Campaign.parse(data)
    except Invalid:
        return

    assert Campaign.parse(campaign.to_wire()) == campaign.model_copy(update={"object_type": "campaign"})


@pytest.mark.parametrize("model", _MODELS)
@given(data=st.data())
def test_no_document_makes_its_reader_crash(model: type[Document], data):
    keys = st.sampled_from(sorted(model.wire_keys())) | st.text(max_size=12)
    written = data.draw(st.dictionaries(keys, _JSON, max_size=6) | _JSON)

    try:
        document = model.parse(written)
    except Invalid:
        return

    assert model.parse(document.to_wire()).to_wire() == document.to_wire()


def test_a_repr_shows_ids_and_no_person():
    contact = Contact.parse({"contactId": "c1", "firstName": "Ann", "email": "ann@example.com", "note": "vip"})

    assert repr(contact) == "Contact(contact_id='c1')"


def test_a_contact_is_called_where_it_says_it_lives():
    contact = Contact.parse({"phone": "212 555 0123", "mobile": "+442079460123"})

    assert contact.number == "+442079460123"
    assert contact.zone == "Europe/London"
    assert contact.model_copy(update={"timezone": "Asia/Tokyo"}).zone == "Asia/Tokyo"


def test_a_secret_in_an_email_account_is_refused():
    with pytest.raises(Invalid, match="put it in the environment"):
        EmailAccount.parse({"name": "Main", "emailAddress": "a@example.com", "password": "x"})
