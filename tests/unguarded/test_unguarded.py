"""Without its guarantee the product does the same work, and the harm that the guarantee is there to prevent.

Every harm is shown beside the product itself in the same situation, where it does not happen.
"""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from channels.messages import ChannelKind
from tests.runtime.house import ASK, CALL, MAIL, TENANT, TEXT, House, person
from tests.unguarded import NoFencingStore, NoGuaranteeStore, NoIntentStore, lateness_unchecked
from worker.domain.events import Replied
from worker.runtime.advance import advance
from worker.runtime.bootstrap import Runtime
from worker.runtime.dispatch import dispatch
from worker.store.facade import Store
from worker.store.tables import messages

LANDLINE = person(7, phone="+12025521614")
FAULTS = ("refuse_429", "none", "accept_then_500", "none", "refuse_503")
DONE = {
    ("email", "settled", "EMAIL_SENT", "DELIVERED"): 5,
    ("sms", "settled", "SMS_LANDLINE", "INVALID"): 1,
    ("sms", "settled", "SMS_SENT", "DELIVERED"): 4,
    ("voice", "settled", "UNKNOWN_RESULT", "PENDING"): 5,
}
TRIED = {
    ("email", "accepted"): 5,
    ("sms", "accepted"): 4,
    ("sms", "not_sent"): 2,
    ("sms", "refused"): 1,
    ("voice", "accepted"): 5,
}

ROOT = Path(__file__).parent.parent.parent
IN_A_CHILD = """
import os, sys
from celery.app.utils import find_app
find_app(sys.argv[1]).loader.import_default_modules()
from worker.runtime import dispatch
from worker.tasks.process import process_runtime, stop_process
if os.fork():
    os.wait()
else:
    rt = process_runtime()
    print(type(rt.store).__name__, dispatch._too_late(rt, -1e9))
    stop_process()
"""
"""Loads the application as `celery -A` does, and looks at what a child of the pool gets to work with."""


class Killed(Exception):
    """The worker ends here."""


def pass_time(house: House, step: timedelta, times: int) -> None:
    """Turn the clock forward, and do each time what is due."""
    for _ in range(times):
        house.later(seconds=step.total_seconds())
        house.tick_only()


def lease_ends(house: House) -> None:
    """Whoever has claimed something and not been heard of since is thought dead, by the database and by the clock."""
    house.leases_end()
    house.later(seconds=house.settings.lease_seconds)


def others_go_on(house: House) -> None:
    """What the living make of it: sweeps, look-ups, and whatever is due again."""
    lease_ends(house)
    pass_time(house, timedelta(minutes=2), 4)


@contextmanager
def standing_still(rt: Runtime, others: Callable[[], None], *, before: str = "", after: str = "") -> Iterator[None]:
    """Stop this process at its next call to its store, and let others go on meanwhile."""
    method, stopped = getattr(rt.store, before or after), []

    def stand_still() -> None:
        if not stopped:
            stopped.append(thread.submit(others).result())  # they have a loop of their own

    def call(*args: Any, **options: Any) -> Any:
        if before:
            stand_still()
        came_to = method(*args, **options)
        if after:
            stand_still()
        return came_to

    setattr(rt.store, before or after, call)
    with ThreadPoolExecutor(1) as thread:
        yield
    assert stopped, "it never came so far"


def send(rt: Runtime, run_id: str) -> None:
    rt.run(dispatch(rt, TENANT, run_id, ChannelKind.SMS))


@pytest.mark.parametrize("store_class", [Store, NoIntentStore, NoFencingStore, NoGuaranteeStore])
def test_while_nobody_is_killed_or_stopped_every_variant_does_the_same_work(open_house, store_class):
    house = open_house(store_class=store_class, sandbox={"speed": 0.001})  # what arrives during the test is no accident
    house.faults(next=FAULTS)
    house.launch(TEXT, MAIL, CALL, people=[*(person(n) for n in range(4)), LANDLINE])
    house.tick_only()
    pass_time(house, timedelta(hours=1), 3)
    pass_time(house, timedelta(days=3), 3)

    report = house.store.run_report(TENANT, house.run_id)
    assert (house.status(), report.messages, report.attempts) == ("completed", DONE, TRIED)
    accepted = Counter((line["channel"], line["to"]) for line in house.ledger())
    assert (len(accepted), max(accepted.values())) == (14, 1)


@pytest.mark.parametrize(("store_class", "texts"), [(Store, 1), (NoIntentStore, 2), (NoGuaranteeStore, 2)])
def test_without_intent_a_person_is_texted_twice_when_a_worker_dies_between_acceptance_and_result(
    open_house, store_class, texts
):
    house = open_house(store_class=store_class)
    house.launch(TEXT)
    house.advance()
    dying = house.runtime()

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    dying.store.settle = die
    with pytest.raises(Killed):
        send(dying, house.run_id)
    assert len(house.ledger()) == 1
    others_go_on(house)

    assert len(house.ledger()) == texts


@pytest.mark.parametrize(("store_class", "texts"), [(Store, 1), (NoFencingStore, 2), (NoGuaranteeStore, 2)])
def test_without_fencing_a_worker_that_stood_still_texts_whom_others_have_texted_meanwhile(
    open_house, store_class, texts
):
    house = open_house(store_class=store_class)
    house.launch(TEXT)
    house.advance()
    zombie = house.runtime(lanes=1, lease_seconds=0.000_001)
    unchecked = nullcontext() if store_class is Store else lateness_unchecked()
    with unchecked, standing_still(zombie, lambda: others_go_on(house), after="claim_messages"):
        send(zombie, house.run_id)

    assert len(house.ledger()) == texts


@pytest.mark.parametrize(
    ("store_class", "asked"),
    [(Store, ["ask"]), (NoFencingStore, ["ask", "silent"])],
)
def test_without_fencing_who_has_answered_is_asked_again_by_a_worker_that_was_thought_dead(
    open_house, store_class, asked
):
    house = open_house(store_class=store_class)
    house.launch(states=ASK)
    house.tick_only()
    zombie = house.runtime()
    house.later(hours=3)

    def others() -> None:
        lease_ends(house)
        answer = Replied(channel=ChannelKind.SMS, body="Yes, please")
        house.store.signal([(TENANT, house.enrollment().enrollment_id, answer)], house.rt.now())
        house.tick_only()

    with standing_still(zombie, others, before="commit_steps"):
        advance(zombie, TENANT, house.run_id)
    house.tick_only()

    assert sorted(row.state for row in house.rows(messages)) == asked
    assert len(house.ledger()) == len(asked)


@pytest.mark.parametrize(("store_class", "status"), [(Store, "settled"), (NoFencingStore, "accepted")])
def test_without_fencing_a_text_whose_end_is_known_is_open_again_when_a_late_worker_writes_its_answer(
    open_house, store_class, status
):
    house = open_house(store_class=store_class)
    house.launch(TEXT)
    house.advance()
    zombie = house.runtime()

    def others() -> None:
        others_go_on(house)
        pass_time(house, timedelta(days=3), 2)
        assert house.message().status == "settled"

    with standing_still(zombie, others, before="settle"):
        send(zombie, house.run_id)

    assert house.message().status == status


@pytest.mark.parametrize(
    ("app", "store_class"),
    [("no_intent_app", NoIntentStore), ("no_fencing_app", NoFencingStore), ("no_guarantee_app", NoGuaranteeStore)],
)
def test_a_child_of_a_worker_with_this_application_works_on_the_variant(app, store_class, sqlite_url):
    ended = subprocess.run(
        [sys.executable, "-c", IN_A_CHILD, f"tests.unguarded.{app}"],
        env=os.environ | {"DATABASE_URL": sqlite_url},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    lateness = "True" if store_class is NoIntentStore else "False"
    assert ended.stdout.split() == [store_class.__name__, lateness], ended.stderr
