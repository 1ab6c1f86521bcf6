"""A process may end anywhere: others go on, everybody gets every message once, and the counts add up."""

import ast
from pathlib import Path

import pytest

import worker
from tests.api.web import Port
from tests.crashes.aftermath import judge, provider_has_read_all, recover
from tests.crashes.conftest import PATIENCE
from tests.crashes.points import AFTER, BEFORE, POINTS, TAKEN
from tests.crashes.scripts import CALLED_BACK
from tests.crashes.seams import HINT, WRITES
from tests.crashes.steps import shoppers
from tests.runtime.house import until
from worker.domain.run import RunStatus
from worker.runtime import launch as launching
from worker.store.event_rows import EventStatus
from worker.store.queue_tables import events
from worker.store.tables import enrollments

OF_THE_WEB_PROCESS = [label for label, point in POINTS.items() if point.script is CALLED_BACK]
OF_EVENTS = [label for label, point in POINTS.items() if point.script.listens]
OF_WORKERS = [label for label in POINTS if label not in OF_THE_WEB_PROCESS + OF_EVENTS]

NOT_OF_THE_PATH = {
    *("migrate", "put_documents", "import_contacts", "block_contact", "suppress", "unsuppress", "start_draft"),
}
"""What a person does before a launch, sees fail and does again."""

BRING_IN_AND_WATCH = {
    *("defer_event", "replay_events", "purge_events", "purge_inbox"),
    *("give_up_run", "move_run", "close_run", "dates_looked_at", "finish_look"),
    *("commit_guard", "claim_alerts", "note_told", "finish_import"),
}
"""Whoever decides here writes all of it in one commit, and the next tick decides again where there was none: tests of
events, schedules, guards, alerts and imports show it. From the enrollment on the points below hold."""

OF_ENDED_RUNS = {"begin_archive", "seal_archive", "abandon_archive", "drop_archived", "finish_archive"}
"""Nothing of these runs is sent any more. `tests/runtime/test_archiving.py` has its own crash at each of them."""


@pytest.mark.parametrize("label", OF_WORKERS)
def test_wherever_a_process_ends_everybody_gets_every_message_once(site, doomed, label):
    point = POINTS[label]
    request = point.script.save(site)
    process = doomed(site, point, request)
    assert process.struck(), "it never came there"
    provider_has_read_all(site)
    assert bool(site.ledger()) is TAKEN.get(point.moment, bool(site.ledger()))

    if point.seam == HINT or point.leaves is not RunStatus.COMPLETED:
        site.hints += process.hints()  # the broker has outlived it, and they come late
    site.find_run(request)
    site.play()
    point.script.close(site)
    recover(site, point.leaves)

    judge(site, point.leaves)
    missed = {row.phone for row in shoppers(site)} - {line["to"] for line in site.ledger()}
    assert not (point.script.dated and missed)


@pytest.mark.parametrize("label", OF_EVENTS)
def test_wherever_a_process_ends_every_event_has_its_effect_once(site, doomed, label):
    script = POINTS[label].script
    request = script.save(site)
    process = doomed(site, POINTS[label], request)
    assert process.struck(), "it never came there"

    site.find_run(request)
    accepted = {row.event_key for row in site.rows(events)}
    script.close(site)
    recover(site, RunStatus.COMPLETED)

    judge(site, RunStatus.COMPLETED)
    assert accepted <= {row.event_key for row in site.rows(events) if row.status == EventStatus.APPLIED}
    shopper, other = shoppers(site)
    assert [line["to"] for line in site.ledger()] == [other.phone]
    ends = {row.contact_id: row.status for row in site.rows(enrollments)}
    assert len(site.rows(enrollments)) == len(ends)
    assert ends.pop(other.contact_id) == "finished"
    assert ends in ({shopper.contact_id: "cancelled"}, {})  # nothing, where the order was applied first


@pytest.mark.parametrize("label", OF_THE_WEB_PROCESS)
def test_a_callback_whose_web_process_ended_is_kept_when_it_comes_again(open_house, doomed, serve, label):
    port = Port()
    port.socket.listen()
    house = open_house(sandbox={"speed": 1000}, public_url=port.url, **PATIENCE)
    point = POINTS[label]
    request = house.save(*point.script.actions, people=point.script.people)
    process = doomed(house, point, request, port.socket)
    house.run_id = launching.launch(house.rt, request).run.run_id
    house.play()
    assert process.struck(), "it never came there"

    serve(house, port)
    until(lambda: _answered(house) == {0, 200}, "the callbacks to come again")
    recover(house, point.leaves)

    judge(house, point.leaves)
    keys = [row.event_key for row in house.inbox()]
    assert len(keys) == len(set(keys)) == len({(line["ref"], line["status"]) for line in house.ledger("callback")})


def _answered(house):
    """How callbacks were answered; 0 for none. Empty while the last try of one has failed."""
    last = {(line["ref"], line["status"]): line["http"] for line in house.ledger("callback")}
    return {line["http"] for line in house.ledger("callback")} if set(last.values()) == {200} else set()


def test_every_write_on_the_way_of_a_message_has_its_crash_points():
    modules = [path for part in ("runtime", "tasks", "api") for path in (Path(worker.__path__[0]) / part).glob("*.py")]
    aside = NOT_OF_THE_PATH | BRING_IN_AND_WATCH | OF_ENDED_RUNS
    called = set().union(*(_writes_in(path) for path in modules)) - aside
    assert {"claim_messages", "settle"} < called

    covered = {(point.seam, point.moment) for point in POINTS.values()}
    assert {(write, moment) for write in called for moment in (BEFORE, AFTER)} <= covered


def _writes_in(path):
    """The writing methods of the store that a module names, as in `rt.store.settle`."""
    nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)]
    return {node.attr for node in nodes if node.attr in WRITES and getattr(node.value, "attr", "") == "store"}
