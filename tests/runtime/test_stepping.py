"""Whoever is due or is answered takes the next step in the commit of a claim or an answer: no queue stands between."""

from datetime import timedelta

from tests.runtime.house import MAIL, TENANT, TEXT
from worker.domain.enrollment import EnrollmentStatus
from worker.runtime.hints import Hint, Work
from worker.runtime.tick import tick
from worker.store.tables import signals

AGAIN = {**TEXT, "message": "And once more, {{ contact.firstName }}"}


def test_the_next_message_leaves_without_another_look_at_the_enrollment(house):
    house.launch(TEXT, AGAIN)
    house.advance()
    house.dispatch()

    assert len(house.ledger()) == 2
    assert house.rows(signals) == []
    assert not [hint for hint in house.hints if hint.work is Work.ADVANCE]
    assert house.enrollment().status == EnrollmentStatus.SETTLING


def test_a_message_on_another_channel_is_hinted_at(house):
    house.launch(TEXT, MAIL)
    house.advance()
    house.dispatch()

    assert Hint(Work.EMAIL, TENANT, house.run_id, 1) in house.hints


def test_a_step_that_raises_is_tried_again_as_any_other_and_counted(house, logged):
    house.launch(TEXT, AGAIN)
    house.advance()
    definition = house.rt.definition(TENANT, house.run_id)

    class Broken:
        """The definition, in which nobody finds their zone."""

        def __getattr__(self, name):
            return getattr(definition, name)

        def zone_for(self, _):
            raise ZeroDivisionError

    house.rt.definition = lambda *_: Broken()
    house.dispatch()
    house.advance()
    assert len(house.ledger()) == 1
    assert "step raised" in logged.getvalue()
    assert house.enrollment().claims == 1

    del house.rt.definition
    house.leases_end()
    house.tick_only()
    assert len(house.ledger()) == 2


def test_whoever_sends_steps_too_and_nobody_else_is_called(house):
    house.launch(TEXT, AGAIN, people=3)
    house.dispatch()

    assert len(house.ledger()) == 6
    assert not [hint for hint in house.hints if hint.work is Work.ADVANCE]


def test_where_a_process_may_have_died_of_a_step_those_who_count_steps_take_them(house):
    house.launch(TEXT)
    house.store.leave_trace(TENANT, house.run_id, "a process that is no more", timedelta(0))

    house.dispatch()
    assert house.ledger() == []
    tick(house.rt)
    assert Work.ADVANCE in {hint.work for hint in house.hints}, "those who count are called at once"
    house.tick_only()
    assert len(house.ledger()) == 1
