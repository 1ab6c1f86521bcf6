"""An imported campaign is launched: its NCX states, actions and conditions do what they say."""

from urllib.parse import urlencode

from twilio.request_validator import RequestValidator

from channels.base import Callback
from channels.messages import ChannelKind
from channels.sandbox.settings import AUTH_TOKEN
from tests.ncx.conftest import CAMPAIGN, FILES, INTERESTED, NO_REPLY
from tests.runtime.house import TENANT, person
from worker.domain.run import RunStatus
from worker.runtime import launch as launching
from worker.runtime.intake import Intake
from worker.runtime.ncx_import import import_ncx
from worker.runtime.preflight import Launch
from worker.store.codec import from_json
from worker.store.document_rows import Document, DocumentType
from worker.store.tables import enrollments, messages

SENDER = "+18885551212"
GOLD = person(0, fields={"firstName": "Ann", "plan": "Family", "tier": "gold"})
PLAIN = person(1, fields={"firstName": "Bob", "plan": "Basic", "tier": ""})


def launched(house):
    import_ncx(house.rt, FILES)
    contacts = Document(type=DocumentType.CONTACT_LIST, id="lst_1", name="people", data={"contactListId": "lst_1"})
    house.store.put_documents(TENANT, [contacts], house.rt.now())
    house.store.import_contacts(TENANT, "lst_1", [GOLD, PLAIN], house.rt.now())
    request = Launch(tenant_id=TENANT, campaign=CAMPAIGN, contact_list="lst_1")
    house.run_id = launching.launch(house.rt, request).run.run_id
    launching.enroll(house.rt, TENANT, house.run_id)


def says_yes(house, sender):
    """A text from a person, taken by our HTTP process."""
    url = f"{house.settings.public_url}/webhooks/twilio/sms"
    form = {"MessageSid": "SM1", "From": sender, "To": SENDER, "Body": "YES"}
    headers = {"x-twilio-signature": RequestValidator(AUTH_TOKEN).compute_signature(url, form)}
    callback = Callback(url=url, headers=headers, body=urlencode(form).encode(), received_at=house.rt.now())

    async def take():
        await Intake(house.rt).take(house.rt.channel(ChannelKind.SMS), callback)

    house.rt.run(take())


def texts(house):
    """What left, each text once: as we have written it down, and only if the provider has too."""
    assert sorted(line["to"] for line in house.ledger()) == sorted(row.address for row in house.rows(messages))
    return {(row.address, from_json(row.content)["body"]) for row in house.rows(messages)}


def test_the_imported_campaign_runs_as_its_workflow_says(house):
    launched(house)
    house.tick_only()

    assert texts(house) == {
        (GOLD.phone, "Hi Ann, 10 percent off your Family plan. Answer YES."),
        (PLAIN.phone, "Hi Bob, 5 percent off your Basic plan. Answer YES."),
    }
    assert {row.sender for row in house.rows(messages)} == {SENDER}, "the number without a country code got one"

    says_yes(house, GOLD.phone)
    house.later(minutes=61)
    house.tick_only()

    reminded = (PLAIN.phone, "Still there, Bob?")
    assert reminded in texts(house), "smswaitformessage counts in milliseconds, and leads to the function"
    assert len(texts(house)) == 3, "who has answered is not reminded"

    house.later(hours=100)
    for _ in range(3):
        house.tick_only()
        house.reconcile()
        house.later(hours=100)
    assert house.status() == RunStatus.COMPLETED
    dispositions = sorted(row.disposition for row in house.rows(enrollments))
    assert dispositions == ["PENDING_NO_REPLY", "RESOLVED_INTERESTED"]


def test_the_run_keeps_the_dispositions_by_their_ncx_ids(house):
    launched(house)

    book = house.rt.definition(TENANT, house.run_id).book

    assert (book.rule(INTERESTED).code, book.rule(NO_REPLY).code) == ("RESOLVED_INTERESTED", "PENDING_NO_REPLY")
    assert book.file("VOICE_NO_ANSWER").code == "PENDING_NO_REPLY", "the campaign names it for that result"
