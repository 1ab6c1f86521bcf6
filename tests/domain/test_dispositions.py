"""Every outcome is filed under a disposition, and no name weakens what the outcome demands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.domain.campaign import Campaign
from worker.domain.disposition import Disposition, DispositionAction
from worker.domain.dispositions import SYSTEM, Category, DispositionBook
from worker.domain.faults import Invalid


def _book(*documents, **campaign):
    fields = {"name": "Renewal", "workflowId": "wf"} | campaign
    return DispositionBook(Campaign.parse(fields), [Disposition.parse(document) for document in documents])


def test_an_opt_out_ends_the_channel_and_an_invalid_number_the_number():
    assert SYSTEM["SMS_OPTED_OUT"].suppress
    assert SYSTEM["VOICE_INVALID"].address_uncallable
    assert not SYSTEM["SMS_LANDLINE"].address_uncallable


def test_what_may_have_left_is_tried_again_under_no_name():
    pending = [rule for rule in SYSTEM.values() if rule.category is Category.PENDING]

    assert SYSTEM["UNKNOWN_RESULT"] in pending
    assert all(rule.retry is None for rule in pending)


def test_every_retry_has_an_end():
    for rule in SYSTEM.values():
        assert rule.retry is None or (rule.retry.max_attempts >= 2 and rule.retry.delay_seconds >= 60)


def test_our_own_faults_do_not_count_as_attempts():
    assert not [r.code for r in SYSTEM.values() if r.category is Category.FAILED_CONFIG and r.counts_as_attempt]


def test_without_dispositions_of_its_own_a_campaign_has_the_systems():
    book = _book()

    assert book.codes() == set(SYSTEM)
    assert book.file("VOICE_BUSY") == SYSTEM["VOICE_BUSY"]


def test_an_outcome_is_filed_under_the_disposition_that_claims_it():
    book = _book({"code": "NOBODY", "name": "Nobody", "systemCodes": ["VOICE_BUSY"]}, dispositions=["NOBODY"])

    filed = book.file("VOICE_BUSY")

    assert (filed.code, filed.category, filed.retry) == (
        "NOBODY",
        Category.NOT_REACHED,
        SYSTEM["VOICE_BUSY"].retry,
    )
    assert book.rule("NOBODY") == filed
    assert book.file("VOICE_NO_ANSWER").code == "VOICE_NO_ANSWER"


def test_a_disposition_the_campaign_does_not_offer_is_not_used():
    book = _book({"code": "NOBODY", "name": "Nobody", "systemCodes": ["VOICE_BUSY"]}, dispositions=["OTHER"])

    assert book.file("VOICE_BUSY").code == "VOICE_BUSY"
    assert "NOBODY" not in book.codes()


def test_the_campaign_names_dispositions_and_waits_as_ncx_does():
    book = _book(
        {"dispositionId": "d1", "name": "Line busy"},
        busyDispositionId="d1",
        busyCallbackInMinutes="5",
        noAnswerCallbackInMinutes=120,
        maxAttempts=4,
    )

    busy, silent = book.file("VOICE_BUSY"), book.file("VOICE_NO_ANSWER")

    assert busy.code == "LINE_BUSY"
    assert (busy.retry.delay_seconds, busy.retry.max_attempts) == (300, 4)
    assert (silent.code, silent.retry.delay_seconds, silent.retry.max_attempts) == ("VOICE_NO_ANSWER", 7200, 4)
    assert book.rule("d1").code == "LINE_BUSY"


def test_one_attempt_in_all_is_no_retry_at_all():
    assert _book(maxAttempts=1).file("VOICE_BUSY").retry.max_attempts == 1


@pytest.mark.parametrize(("as_voicemail", "category"), [(True, Category.MACHINE), (False, Category.CONTACTED)])
def test_who_answered_unclearly_counts_as_the_campaign_says(as_voicemail, category):
    filed = _book(amdUnknownAsVoicemail=as_voicemail).file("VOICE_AMD_UNKNOWN")

    assert (filed.code, filed.category) == ("VOICE_AMD_UNKNOWN", category)


def test_a_deleted_disposition_is_not_used():
    book = _book(
        {"code": "GONE", "name": "Gone", "systemCodes": ["VOICE_BUSY"], "deletedAt": 1_700_000_000_000},
        dispositions=["GONE"],
    )

    assert book.file("VOICE_BUSY").code == "VOICE_BUSY"


@given(
    outcome=st.sampled_from(sorted(SYSTEM)),
    action=st.sampled_from(list(DispositionAction)),
    resolved=st.none() | st.booleans(),
    category=st.none() | st.sampled_from(list(Category)),
)
def test_no_name_weakens_what_an_outcome_demands(outcome, action, resolved, category):
    document = {"code": "OURS", "name": "Ours", "systemCodes": [outcome], "action": action, "category": category}
    if resolved is not True:
        document["retry"] = {"delaySeconds": 600, "maxAttempts": 9}
    filed = _book(document | {"resolved": resolved}, dispositions=["OURS"]).file(outcome)

    system = SYSTEM[outcome]
    assert filed.suppress >= system.suppress
    assert filed.address_uncallable >= system.address_uncallable
    if system.suppress or system.address_uncallable or system.category is Category.PENDING or filed.resolved:
        assert filed.retry is None


def test_a_disposition_on_its_own_means_what_its_action_says():
    stop = Disposition.parse({"name": "Stop", "action": "TenantDNC"}).rule()
    sold = Disposition.parse({"name": "Sold"}).rule()
    later = Disposition.parse({"name": "Later", "action": "connectedCallback"}).rule()

    assert stop.suppress
    assert (sold.code, sold.category, sold.resolved) == ("SOLD", Category.CONTACTED, True)
    assert (later.category, later.resolved) == (Category.PENDING, False)


def test_a_disposition_with_faults_names_all_of_them():
    with pytest.raises(Invalid) as refusal:
        Disposition.parse(
            {
                "code": "VOICE_BUSY",
                "systemCodes": ["VOICE_BUZY"],
                "resolved": True,
                "retry": {"delaySeconds": 5},
                "action": "Fax",
            }
        )

    faults = {fault.path: fault for fault in refusal.value.faults}
    assert set(faults) == {("name",), ("code",), ("systemCodes", 0), ("retry", "delaySeconds"), ("action",)}
    assert faults["systemCodes", 0].hint == "did you mean VOICE_BUSY?"
    assert faults["action",].hint == "did you mean fax?"
