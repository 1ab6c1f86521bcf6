"""A launch is made once, however often and however fast it is asked for, unless it is meant."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from tests.store.builders import NOW, STRANGER, TENANT, new_run
from worker.domain.run import RunStatus
from worker.store import launches, transactions
from worker.store.document_rows import Document
from worker.store.errors import AlreadyRunning


def test_of_equal_launches_at_once_one_is_made_and_the_others_are_told_of_it(store):
    run = store.get_run(TENANT, new_run(store, 0))
    store.change_run_status(TENANT, run.run_id, RunStatus.CANCELLED, NOW)
    made, asked = threading.Event(), threading.Event()

    def slowly(conn):
        launches.create(conn, replace(run, run_id="first"))
        made.set()
        asked.wait(0.3)  # the others look while this is not committed

    def launch(number):
        made.wait()
        with pytest.raises(AlreadyRunning) as refusal:
            store.create_run(replace(run, run_id=f"run_{number}"))
        asked.set()
        return refusal.value.run_id, refusal.value.status

    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(transactions.write, store.engine, slowly)
        assert set(pool.map(launch, range(3))) == {("first", RunStatus.RUNNING)}
        first.result()
    assert [run.run_id for run in store.find_runs(TENANT, statuses=[RunStatus.RUNNING])] == ["first"]


def test_launches_that_are_meant_or_of_something_else_are_made(store):
    run = store.get_run(TENANT, new_run(store, 0))
    store.create_run(replace(run, run_id="meant"), again=True)
    store.create_run(replace(run, run_id="elsewhere", contact_list_id="another"))
    store.create_run(replace(run, run_id="theirs", tenant_id=STRANGER))
    assert len(store.find_runs(TENANT)) == 3


def test_a_launch_that_is_refused_saves_none_of_its_documents(store):
    run = store.get_run(TENANT, new_run(store, 0))
    document = Document(type="campaign", id="c", name="Autumn", data={})
    with pytest.raises(AlreadyRunning, match="cancel it, or launch with --again"):
        store.create_run(replace(run, run_id="second"), saving=[document])
    assert store.list_documents(TENANT, "campaign") == []
    store.create_run(replace(run, run_id="second"), saving=[document], again=True)
    assert store.list_documents(TENANT, "campaign") == [document]
