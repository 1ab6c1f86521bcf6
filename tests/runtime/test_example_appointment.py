"""The example runs as it stands: files, import, launch, two days of ticks."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from channels.messages import ChannelKind
from tests.runtime.house import TENANT, House
from worker.domain.events import Replied
from worker.domain.run import RunStatus
from worker.runtime import launch as launching
from worker.runtime.bootstrap import Runtime
from worker.runtime.import_file import import_file
from worker.runtime.preflight import Launch
from worker.runtime.saving import read_campaign
from worker.store.codec import from_json
from worker.store.tables import enrollments, messages

EXAMPLE = Path(__file__).parents[2] / "examples" / "appointment"
MARA, BEN, YUI = "+493091990937", "+12025550142", "+81312130003"
MORNING = {number: datetime(2026, 12, 2, hour, tzinfo=UTC) for number, hour in ((YUI, 0), (MARA, 8), (BEN, 14))}
"""Nine o'clock there, in UTC."""


@pytest.fixture
def house(sqlite_url, beside, tmp_path):
    opened = House(sqlite_url, beside, tmp_path / "sandbox", sandbox={"speed": 1000})
    yield opened
    opened.close()


def tick_at(house, moment):
    house.rt.ahead = moment - Runtime.now(house.rt)
    house.tick_only()


def heard(house):
    """What left, in order: channel and number."""
    return [(line["channel"], line["to"]) for line in house.ledger()]


def test_the_appointment_example_texts_in_the_local_morning_before_and_calls_whom_that_does_not_reach(house, tmp_path):
    tick_at(house, datetime(2026, 12, 1, 12, tzinfo=UTC))
    names = {"list_name": "appointments", "region": "US", "rejects": tmp_path / "rejects.csv"}
    import_file(house.rt, EXAMPLE / "contacts.csv", **names)
    campaign, documents = read_campaign(house.rt, EXAMPLE)
    request = Launch(tenant_id=TENANT, campaign=campaign, documents=documents)
    house.run_id = launching.launch(house.rt, request).run.run_id
    house.play()
    assert heard(house) == []
    [first_look] = [change.reason for change in house.store.run_changes(TENANT, house.run_id) if change.reason]
    assert "0 enrolled, 1 has a date on which nothing may start" in first_look, "Otto's morning is on a blackout date"

    texts = []
    for number, morning in MORNING.items():
        for moment in (morning - timedelta(seconds=10), morning):
            tick_at(house, moment)
            texts += [("sms", number)] if moment == morning else []
            assert [line for line in heard(house) if line[0] == "sms"] == texts
        if number == MARA:
            [mara] = [row for row in house.rows(enrollments) if row.contact_id == owner(house, MARA)]
            says = Replied(channel=ChannelKind.SMS, body="YES")
            house.store.signal([(TENANT, mara.enrollment_id, says)], house.rt.now())
    bodies = [from_json(row.content)["body"] for row in house.rows(messages) if row.channel == "sms"]
    assert "Hi Ben, we see you tomorrow at 10:00. Reply YES to confirm." in bodies

    for hour in (15, 17, 18):
        tick_at(house, datetime(2026, 12, 2, hour, 30, tzinfo=UTC))
    calls = [number for channel, number in heard(house) if channel == "voice"]
    assert set(calls) == {YUI, BEN}, "one text did not arrive, the other was not answered; Mara said yes"
    assert len([line for line in heard(house) if line[0] == "sms"]) == 3
    assert house.store.get_run(TENANT, house.run_id).status is RunStatus.RUNNING, "open for the next appointments"


def owner(house, phone):
    [row] = [row for row in house.rows(messages) if row.address == phone and row.channel == "sms"]
    return row.contact_id
