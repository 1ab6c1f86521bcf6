"""The plan of a chaos run: the same for the same seed, and dangerous enough to prove something."""

from collections import Counter

import pytest

from tests.chaos.audience import CAMPAIGNS, make_audience
from tests.chaos.schedule import POSTGRES, WORKERS, Kind, faults_end, make_plan
from tests.chaos.site import FREEZE_SECONDS, LEASE_SECONDS, QUIET_SECONDS, SECOND_LOOK_SECONDS

LONG, SHORT = 600.0, 90.0


def plan(seconds=LONG, seed=1, database="postgres"):
    return make_plan(seconds, seed, database, FREEZE_SECONDS)


def test_the_same_seed_gives_the_same_plan_and_another_one_another():
    assert plan(seed=7) == plan(seed=7)
    assert plan(seed=7) != plan(seed=8)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("seconds", [LONG, SHORT])
def test_every_fault_is_over_before_the_quiet_begins(seconds, seed):
    late = {Kind.PAUSE, Kind.RESTART_WORKER, Kind.FORGED, Kind.UNKNOWN_ID}
    assert all(f.at + f.seconds <= faults_end(seconds) + 0.1 for f in plan(seconds, seed) if f.kind not in late)


@pytest.mark.parametrize("seconds", [LONG, SHORT])
def test_every_kind_of_fault_is_in_the_long_form_and_in_the_short_one(seconds):
    assert {fault.kind for fault in plan(seconds)} == set(Kind)


def test_the_long_form_has_as_many_as_promised():
    counts = Counter(fault.kind for fault in plan())
    assert counts[Kind.KILL_WORKER] >= 220
    assert counts[Kind.KILL_CHILD] >= 85
    assert counts[Kind.FREEZE_WORKER] >= 3
    assert (counts[Kind.REDIS_FLUSH], counts[Kind.REDIS_CRASH], counts[Kind.POSTGRES_CUT]) == (3, 2, 3)
    assert (counts[Kind.PAUSE], counts[Kind.CANCEL], counts[Kind.EDIT]) == (5, 1, 1)


def test_what_sqlite_has_not_is_not_taken_away():
    assert not POSTGRES & {fault.kind for fault in plan(database="sqlite")}


@pytest.mark.parametrize("seed", range(20))
def test_a_frozen_worker_outlives_its_lease_and_is_not_killed_in_its_sleep(seed):
    assert FREEZE_SECONDS > LEASE_SECONDS + QUIET_SECONDS + SECOND_LOOK_SECONDS
    faults = plan(SHORT, seed)
    for freeze in (fault for fault in faults if fault.kind is Kind.FREEZE_WORKER):
        ends = freeze.at + freeze.seconds
        deadly = {Kind.KILL_WORKER, Kind.KILL_CHILD, Kind.RESTART_WORKER}
        assert not [f for f in faults if f.kind in deadly and f.target == freeze.target and freeze.at <= f.at <= ends]


@pytest.mark.parametrize("seed", range(20))
def test_redis_the_database_and_the_provider_are_away_one_after_the_other(seed):
    services = POSTGRES | {Kind.REDIS_FLUSH, Kind.REDIS_CRASH, Kind.REDIS_FREEZE, Kind.REDIS_AWAY, Kind.OUTAGE}
    ends = 0.0
    for fault in (fault for fault in plan(seed=seed) if fault.kind in services):
        assert fault.at > ends
        ends = fault.at + fault.seconds


def test_every_worker_is_killed():
    for seconds in (LONG, SHORT):
        assert {fault.target for fault in plan(seconds) if fault.kind is Kind.KILL_WORKER} == set(WORKERS)


def test_nobody_shares_an_address_and_the_campaigns_share_the_people():
    people = make_audience(1000)
    assert len({p.phone for p in people}) == len({p.email for p in people}) == len(people) == 1000
    counts = Counter((p.campaign, p.last) for p in people)
    assert {name for name, _ in counts} == {campaign.name for campaign in CAMPAIGNS}
    assert counts["main", "sms"] == counts["main", "voice"] == 170
