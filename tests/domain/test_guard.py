"""The `guard` key of a campaign."""

import pytest

from worker.domain.campaign import Campaign
from worker.domain.faults import Invalid
from worker.domain.guard import DEFAULTS, Rate, read_guard


def test_a_campaign_that_says_nothing_has_the_defaults():
    guard, faults = read_guard(None)

    assert (guard.bounds, guard.off, faults) == (DEFAULTS, frozenset(), [])


def test_a_rate_that_is_not_named_keeps_its_default():
    guard, faults = read_guard({"failureRate": 0.1})

    assert not faults
    assert guard.bounds == {**DEFAULTS, Rate.FAILURE: 0.1}


@pytest.mark.parametrize("off", ["off", False])
def test_off_is_taken_for_all_or_for_one(off):
    assert read_guard(off)[0].off == frozenset(Rate)
    assert read_guard({"optOutRate": off})[0].off == {Rate.OPT_OUT}


@pytest.mark.parametrize("value", [0, 1, -0.1, 20, True, "0.1", None, float("nan")])
def test_a_bound_is_a_share(value):
    [fault] = read_guard({"complaintRate": value})[1]

    assert fault.path == ("complaintRate",)
    assert "0.05" in fault.hint


def test_a_campaign_with_an_unknown_rate_says_which_one_was_meant():
    with pytest.raises(Invalid, match=r"guard\.failRate.*did you mean failureRate"):
        Campaign.parse({"name": "n", "workflowId": "w", "guard": {"failRate": 0.1}})


def test_a_guard_that_is_no_map_is_refused():
    assert read_guard([0.1])[1]
