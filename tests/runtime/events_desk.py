"""What tests of queue events do and see: a campaign that listens, events as they are sent, who entered."""

import json

from sqlalchemy import select

from tests.runtime.house import TENANT, TEXT, House
from worker.runtime import events
from worker.runtime import launch as launching
from worker.runtime.preflight import Launch
from worker.store.document_rows import Document, DocumentType
from worker.store.tables import enrollments, messages

ABANDONED = [{"event": "cart.abandoned"}]
WAIT = {"type": "wait", "for": "1 hour"}
ANN = {"phone": "+12127365001", "firstName": "Ann"}


def listen(house: House, *actions, people=0, **campaign) -> str:
    """Launch a campaign that listens; its run."""
    house.save(*(actions or (TEXT,)), people=people, **{"triggers": ABANDONED, **campaign})
    house.run_id = launching.launch(house.rt, Launch(tenant_id=TENANT, campaign="cmp_1")).run.run_id
    house.hints.clear()
    return house.run_id


def save_another(house: House, **changes) -> str:
    """A second campaign that listens to the same; its id."""
    first = house.store.find_document(TENANT, DocumentType.CAMPAIGN, "cmp_1")
    data = {**first.data, "campaignId": "cmp_2", "name": "Another", **changes}
    second = Document(type=DocumentType.CAMPAIGN, id="cmp_2", name="Another", data=data)
    house.store.put_documents(TENANT, [second], house.rt.now())
    return "cmp_2"


def event(key="k1", kind="cart.abandoned", contact=ANN, **more) -> str:
    return json.dumps({"type": kind, "key": key, "contact": contact, **more})


def send(house: House, *sent: str) -> int:
    return events.take(house.rt, sent)


def fate(house: House, key="k1"):
    return house.store.get_event(TENANT, key)


def entered(house: House, run_id="") -> list:
    with house.store.engine.connect() as conn:
        query = select(enrollments).where(enrollments.c.run_id == (run_id or house.run_id))
        return conn.execute(query.order_by(enrollments.c.enrollment_id)).all()


def texts(house: House) -> list:
    with house.store.engine.connect() as conn:
        return conn.execute(select(messages).order_by(messages.c.message_id)).all()
