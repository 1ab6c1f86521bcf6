"""Who belongs to an audience: whom the lists and the segment name and no exclusion does; each is counted once."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from channels.messages import ChannelKind
from tests.store.builders import (
    NOW,
    TENANT,
    accepted,
    claim_steps,
    claim_texts,
    enrolled_run,
    new_run,
    step_to,
    text_to,
)
from tests.store.test_plans import plan_of
from worker.domain.attempt import AttemptStatus, MessageStatus
from worker.domain.audience import Selection
from worker.domain.audience_counts import Excluded, Exclusion, Reach
from worker.domain.search import Attribute, Everything, Exists, FieldKind, Is, Not
from worker.schema.segments import read_segment
from worker.store import audiences
from worker.store.facade import Store
from worker.store.rows import ContactRow, Suppression

GOLD = Attribute(FieldKind.KEYWORD, Is("plan", "gold"))
LATER = NOW + timedelta(days=1)
ALL = (ChannelKind.SMS, ChannelKind.EMAIL, ChannelKind.VOICE)


def person(number, *, plan="gold", **changes):
    row = {"phone": f"+1212555{number:04}", "timezone": "America/New_York", "fields": {"plan": plan}}
    return ContactRow(**row | changes)


def put(store, list_id, *rows, now=NOW, **changes):
    store.import_contacts(TENANT, list_id, rows, now, **changes)


def members(store, selection, size=1000):
    """Whoever belongs, found window by window as enrolling does; by external id."""
    found, after = [], ""
    with store.engine.connect() as conn:
        while True:
            last, candidates = audiences.bound(conn, TENANT, selection, after, size)
            if candidates:
                window = (after, last)
                found += audiences.first_of(conn, TENANT, selection, window, size)
            if candidates < size:
                return [row.external_id for row in found]
            after = last


def in_window(store, selection):
    with store.engine.connect() as conn:
        return audiences.first_of(conn, TENANT, selection, ("a", "b"), 10)


def counted(store, selection, **options):
    return store.count_audience(TENANT, selection, **options)


def selection(**changes):
    return Selection(as_of=LATER, **changes)


@pytest.fixture
def four(store):
    """a, b and c on one list, c and d on another; b is silver."""
    put(store, "one", *(person(n, external_id=x, plan=p) for n, x, p in ((1, "a", "gold"), (2, "b", "silver"))))
    put(store, "one", person(3, external_id="c"))
    put(store, "two", person(3, external_id="c"), person(4, external_id="d"))
    return store


CHOICES = (
    (selection(lists=("one",)), "abc"),
    (selection(lists=("one", "two")), "abcd"),
    (selection(), "abcd"),
    (selection(include=GOLD), "acd"),
    (selection(lists=("one",), include=GOLD), "ac"),
    (selection(lists=("one", "two"), exclude_lists=("two",)), "ab"),
    (selection(exclude=GOLD), "b"),
    (selection(include=Everything()), "abcd"),
    (selection(include=Not(Everything())), ""),
    (selection(exclude=Everything()), ""),
    (selection(include=read_segment("firstName:Nobody OR phone:+12125550001 OR createdAt:<2020-01-01")), "a"),
    (selection(include=read_segment("NOT name:nobody AND NOT email:*")), "abcd"),
    (selection(lists=("one",), include=Not(GOLD), exclude_lists=("two",)), "b"),
)


def test_lists_segments_and_exclusions_make_an_audience(four):
    for chosen, who in CHOICES:
        for size in (1, 2, 1000):
            assert sorted(members(four, chosen, size)) == list(who)
        assert counted(four, chosen).total == four.audience_size(TENANT, chosen) == len(who)


def test_everybody_left_out_is_counted_under_the_first_reason(four):
    chosen = selection(include=GOLD, exclude_lists=("one",), exclude=Attribute(FieldKind.KEYWORD, Exists("plan")))
    counts = counted(four, chosen)
    assert counts.excluded == ((Excluded(Exclusion.LIST, "one"), 2), (Excluded(Exclusion.SEGMENT), 1))
    assert (counts.total, counts.outside, counts.candidates) == (0, 1, 4)


def test_the_people_of_another_run_are_left_out(store):
    run_id = enrolled_run(store, 3)
    put(store, "other", person(1, external_id="x"))
    chosen = selection(exclude_runs=(run_id,))
    assert members(store, chosen) == ["x"]
    assert counted(store, chosen).excluded == ((Excluded(Exclusion.RUN, run_id), 3),)


def test_whoever_a_message_left_to_since_a_moment_is_left_out(store):
    run_id = enrolled_run(store, 4)
    claims = claim_steps(store, run_id)
    store.commit_steps([step_to(claim, effects=[text_to(claim)]) for claim in claims], NOW)
    left, never_left, _under_way = claim_texts(store, run_id, 3).attempts
    not_sent = {"attempt_status": AttemptStatus.NOT_SENT, "message_status": MessageStatus.QUEUED}
    store.settle([accepted(left), replace(accepted(never_left), **not_sent)], NOW)
    lately, longer_ago = (selection(contacted_since=moment) for moment in (NOW, NOW + timedelta(seconds=1)))
    assert counted(store, lately).excluded == ((Excluded(Exclusion.CONTACTED), 2),)
    assert (len(members(store, lately)), len(members(store, longer_ago))) == (2, 4)


def test_whoever_comes_after_the_launch_does_not_belong(store):
    put(store, "one", person(1, external_id="a"), now=LATER)
    early = Selection(as_of=NOW, lists=("one",))
    assert members(store, early) == members(store, Selection(as_of=NOW)) == []
    assert members(store, selection(lists=("one",))) == ["a"]


def test_another_tenant_s_people_never_belong(four):
    run_id = new_run(four, 2, tenant="other")
    assert counted(four, selection()).total == 4
    assert four.count_audience("other", selection(exclude_runs=(run_id,), exclude_lists=("one",))).total == 2


def test_a_deleted_person_does_not_belong(four):
    [gone] = four.find_contacts(TENANT, "+12125550001")
    four.delete_contact(TENANT, gone.contact_id, NOW, by="test", seen=gone.stamp.modified_at)
    assert counted(four, selection()).total == 3
    assert sorted(members(four, selection(lists=("one",)))) == ["b", "c"]


def test_people_are_counted_by_country_zone_and_channel(store):
    put(
        store,
        "all",
        person(1, email="a@example.com"),
        person(2, phone="+4915112345678", timezone="Europe/Berlin"),
        person(3, phone="", email="c@example.com", timezone=""),
        person(4, phone="", external_id="nobody can be reached"),
        person(5, blocked=True),
        suppressed=[Suppression(channel=ChannelKind.SMS, address="+4915112345678", reason="STOP")],
    )
    counts = counted(store, selection(), channels=ALL)
    assert counts.countries == Counter({"US": 2, "DE": 1, "": 2})
    assert counts.timezones == Counter({"America/New_York": 3, "Europe/Berlin": 1, "": 1})
    assert counts.channels == {
        ChannelKind.SMS: Reach(reachable=1, suppressed=2, without=2),
        ChannelKind.VOICE: Reach(reachable=2, suppressed=1, without=2),
        ChannelKind.EMAIL: Reach(reachable=2, suppressed=0, without=3),
    }
    assert (counts.total, counts.suppressed, counts.without) == (5, 1, 1)
    texts = counted(store, selection(), channels=[ChannelKind.SMS])
    assert (texts.suppressed, texts.without) == (2, 2)


def test_people_without_what_is_needed_are_counted(store):
    rows = [{"plan": "gold"}, {"plan": None}, {"a": {"b": [1]}}, {"a": {"b": False}, "plan": ""}, {}]
    put(store, "all", *(person(n, fields=fields) for n, fields in enumerate(rows)))
    put(store, "left out", person(4))
    needed = [("plan",), ("a", "b"), ("a", "b", "c"), ('"',)]
    chosen = selection(exclude_lists=("left out",))
    assert counted(store, chosen, needed=needed).lacking == dict(zip(needed, (2, 2, 4, 4), strict=True))
    assert store.audience_lacking(TENANT, chosen, needed) == (4, dict(zip(needed, (2, 2, 4, 4), strict=True)))
    assert [store.audience_has(TENANT, chosen, path) for path in needed] == [True, True, False, False]


def test_a_window_is_judged_by_keys_alone(sqlite_url):
    chosen = selection(lists=("one",), exclude_lists=("two",), exclude_runs=("run",), contacted_since=NOW)
    store = Store(sqlite_url)
    plan = plan_of(store, lambda opened: in_window(opened, chosen))
    store.close()
    used = {line[line.index("(") :] for line in plan if line.startswith("SEARCH")}
    assert used == {
        "(tenant_id=? AND contact_id>? AND contact_id<?)",
        "(tenant_id=? AND contact_list_id=? AND contact_id>? AND contact_id<?)",
        "(tenant_id=? AND contact_list_id=? AND contact_id=?)",
        "(run_id=? AND contact_id=?)",
        "(contact_id=?)",
        "(tenant_id=? AND contact_id=?)",
        "(message_id=?)",
    }
    assert not [line for line in plan if line.startswith("SCAN")]


def test_a_sample_is_spread_and_the_same_each_time(store):
    put(store, "all", *(person(n, plan="gold" if n % 2 else "silver") for n in range(200)))
    chosen = selection(lists=("all",), include=GOLD)
    first, again = (store.audience_sample(TENANT, chosen, 10) for _ in range(2))
    assert [row.contact_id for row in first] == [row.contact_id for row in again]
    everybody = sorted(row.contact_id for row in store.audience_sample(TENANT, selection(), 200))
    tenths = [everybody.index(row.contact_id) // 20 for row in first]
    assert tenths == list(range(10))
    assert {row.fields["plan"] for row in first} == {"gold"}


def test_a_sample_of_a_few_is_all_of_them(four):
    found = four.audience_sample(TENANT, selection(include=GOLD), 10)
    assert sorted(row.external_id for row in found) == ["a", "c", "d"]


def test_a_large_audience_is_looked_at_in_parts(store):
    put(store, "all", *(person(n, fields={"plan": "gold"} if n == 1 else {}) for n in range(80)))
    chosen = selection(lists=("all",))
    assert store.audience_lacking(TENANT, chosen, [("plan",)], parts=20, of=2) == (40, {("plan",): 39})
    assert store.audience_lacking(TENANT, chosen, [("plan",)], parts=3, of=1000) == (80, {("plan",): 79})
    assert store.audience_has(TENANT, chosen, ("plan",))


def test_a_run_enrolls_whom_a_preview_counts(four):
    run_id = new_run(four, 0, contact_list_id="one")
    chosen = selection(lists=("one", "two"), include=GOLD, exclude_lists=("two",))
    enrolled = 0
    while (chunk := four.enroll_chunk(TENANT, run_id, 1, NOW, selection=chosen)).more:
        enrolled += chunk.people
    assert enrolled == counted(four, chosen).total == 1


def test_a_guard_looks_no_further_than_it_must(four):
    assert [four.audience_is_over(TENANT, selection(include=GOLD), most) for most in (2, 3)] == [True, False]
    assert [four.segment_leaves_out(TENANT, Not(GOLD), share) for share in (0.25, 1)] == [(4, 2), (4, 3)]
    assert four.segment_leaves_out(TENANT, Attribute(FieldKind.KEYWORD, Exists("plan")), 1) == (4, 0)
    assert four.nobody_has(TENANT, ["plan", "pln", "plan"]) == ("pln",)


def test_a_country_is_what_a_person_states_else_that_of_the_number(store):
    put(
        store,
        "all",
        person(1, external_id="us"),
        person(2, external_id="moved", fields={"country": "de"}),
        person(3, external_id="de", phone="+4915112345678"),
        person(4, external_id="kz", phone="+77012345678"),
        person(5, external_id="none", phone=""),
    )

    def of(query):
        return sorted(members(store, selection(include=read_segment(query))))

    assert [of(f"country:{code}") for code in ("US", "DE", "KZ", "RU")] == [["us"], ["de", "moved"], ["kz"], []]
    assert of("NOT country:*") == ["none"]
    assert of("country:D*") == ["moved"]
    assert of("timezone:america/new_york AND NOT country:us") == ["de", "kz", "moved", "none"]
