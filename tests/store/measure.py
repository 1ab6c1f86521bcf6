"""What a row costs: `python -m tests.store.measure postgresql://… sqlite:///…` prints microseconds per row.

Databases are migrated where they are; give empty ones. Wall time of one process, so it includes the server.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from tests.store.builders import (
    NOW,
    TENANT,
    accepted,
    claim_steps,
    claim_texts,
    delivered,
    new_run,
    people,
    step_to,
    text_to,
)
from worker.domain.enrollment import EnrollmentStatus, MessageNote, Wait, WaitKind
from worker.domain.events import HandedOver, Settled
from worker.store.facade import Store

PEOPLE = 20_000
BATCH = 1_000


@contextmanager
def timed(what: str, rows: int) -> Iterator[None]:
    started, cpu = time.perf_counter(), time.process_time()
    yield
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    print(f"  {what:<32} {wall / rows * 1e6:10.1f} us/row, of it CPU of this process {cpu / rows * 1e6:10.1f}")


def measure(url: str) -> None:
    store = Store(url)
    store.migrate()
    print(url.partition("://")[0])
    audience = people(PEOPLE)
    with timed("import", PEOPLE):
        for start in range(0, PEOPLE, 5_000):
            store.import_contacts(TENANT, "list", audience[start : start + 5_000], NOW)
    run_id = new_run(store, 0, contact_list_id="list")
    with timed("enroll", PEOPLE):
        while store.enroll_chunk(TENANT, run_id, 5_000, NOW).more:
            pass
    with timed("claim + commit a step", PEOPLE):
        while claims := claim_steps(store, run_id, BATCH):
            store.commit_steps([first_step(claim) for claim in claims], NOW)
    with timed("claim + settle a message", PEOPLE):
        while sent := claim_texts(store, run_id, BATCH).attempts:
            news = [accepted(f, f"SM{f.attempt_id}", signals=(HandedOver(message=f.key),)) for f in sent]
            store.settle(news, NOW)
    with timed("settle a receipt", PEOPLE):
        while facts := store.silent_accepted(TENANT, NOW + timedelta(days=1), limit=BATCH):
            store.settle([delivered(f, signals=(told(f),)) for f in facts], NOW)
    with timed("claim + commit the last step", PEOPLE):
        while claims := claim_steps(store, run_id, BATCH):
            store.commit_steps([step_to(claim, EnrollmentStatus.FINISHED) for claim in claims], NOW)
    assert store.finish_run_if_done(TENANT, run_id, NOW)
    for _ in range(2):
        with timed("poll, nothing due", 1):
            store.due_work(TENANT, NOW)
    with timed("report", 1):
        store.run_report(TENANT, run_id)
    store.close()


def first_step(claim):
    text = text_to(claim)
    wait = Wait(kind=WaitKind.OUTCOME, armed_at=NOW, due_at=NOW + timedelta(days=1), message=text.key)
    notes = {text.key: MessageNote(channel=text.channel)}
    return step_to(
        claim, due_at=NOW + timedelta(days=1), effects=[text], wait=wait, messages=notes, visits={"hello": 1}
    )


def told(facts):
    return Settled(message=facts.key, disposition="SMS_DELIVERED", category="DELIVERED")


if __name__ == "__main__":
    for database in sys.argv[1:]:
        measure(database)
