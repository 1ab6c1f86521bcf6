"""What is known of an audience before it is launched over, and what of it stands in the way."""

import json

import pytest

from tests.engine.builders import CAMPAIGN
from worker.domain.audience import Audience
from worker.runtime.bootstrap import Runtime
from worker.runtime.errors import CannotLaunch
from worker.runtime.preflight import Launch
from worker.runtime.preview import masked, preview
from worker.runtime.settings import Settings
from worker.store.facade import Store
from worker.store.rows import ContactRow, Suppression

TENANT = "default"
MESSAGE = "Hi {{ contact.firstName }}, {{ contact.plan }}? We call {{ contact.mobile }}. {{ reply.body }}"


@pytest.fixture
def rt(sqlite_url):
    """An installation with a campaign that texts and mails, and nobody to reach yet."""
    opened = Runtime(Settings(_env_file=None, database_url=sqlite_url), Store(sqlite_url), lambda _: None)
    actions = [{"type": "sendSms", "message": MESSAGE}, {"type": "sendEmail", "subject": "Plan", "text": "Hello"}]
    workflow = {"workflowId": "wf_1", "name": "w", "states": {"begin": {"actions": actions}}}
    campaign = CAMPAIGN | {"useForOutbound": False}
    opened.schema.save(opened.actor, [("workflow", "wf_1", workflow), ("campaign", "cmp_1", campaign)])
    for list_id in ("people", "vip"):
        opened.schema.save(opened.actor, [("contactlist", list_id, {"name": list_id})])
    yield opened
    opened.close()


def person(number, list_id="people", **changes):
    phone = f"+1212555{number:04}"
    fields = {"firstName": f"N{number}", "plan": "gold", "mobile": phone} | changes.pop("fields", {})
    row = {"phone": phone, "email": f"n{number}@example.com", "fields": fields} | changes
    return list_id, ContactRow(**row)


def put(rt, *people, **changes):
    for list_id, row in people:
        rt.store.import_contacts(TENANT, list_id, [row], rt.now(), **changes)


def of_campaign(rt, **audience):
    """From now on the campaign has an audience of its own."""
    rt.schema.update(rt.actor, "campaign", "cmp_1", {"audience": audience})


def look(rt, *, everyone=False, show_addresses=False, **audience):
    said = Audience(**audience or {"lists": ("people",)})
    request = Launch(tenant_id=TENANT, campaign="cmp_1", audience=said, everyone=everyone)
    return preview(rt, request, show_addresses=show_addresses)


def test_everybody_is_counted_once(rt):
    stop = [Suppression(channel=None, address=address, reason="STOP") for address in ("+12125550003", "n3@example.com")]
    put(rt, *(person(n, fields={"plan": "gold" if n < 6 else "silver"}) for n in range(8)), person(1, "vip"))
    put(rt, person(2, phone="+4915112345678", email="", timezone="Europe/Berlin"), suppressed=stop)
    put(rt, person(9, phone="", email="", external_id="x"))
    shown = look(rt, lists=("people",), segment="plan:gold", exclude_lists=("vip",)).as_json()
    assert shown["candidates"] == 10
    assert (shown["total"], shown["outsideSegment"]) == (7, 2)
    assert shown["excluded"] == [{"reason": "list", "of": "vip", "name": "vip", "people": 1}]
    assert shown["countries"] == {"US": 5, "": 1, "DE": 1}
    assert shown["timezones"] == {"": 6, "Europe/Berlin": 1}
    assert shown["channels"] == {
        "sms": {"reachable": 5, "suppressed": 1, "without": 1},
        "email": {"reachable": 4, "suppressed": 1, "without": 2},
    }
    assert (shown["suppressed"], shown["withoutAddress"]) == (1, 1)
    assert sum(shown["countries"].values()) == sum(shown["timezones"].values()) == shown["total"]
    assert len(shown["sample"]) == 7


def test_a_sample_has_ten_people_with_every_message(rt):
    put(rt, *(person(n) for n in range(40)))
    found, again = look(rt), look(rt)
    assert found == again
    assert len({one.contact_id for one in found.sample}) == 10
    assert {len(one.drafts) for one in found.sample} == {2}


def test_addresses_are_masked_wherever_they_stand_unless_they_are_asked_for(rt):
    put(rt, person(1))
    hidden, open_ = (json.dumps(look(rt, show_addresses=shown).as_json()) for shown in (False, True))
    assert "+12125550001" not in hidden
    assert "n1@example.com" not in hidden
    assert "We call +12…01. {{ reply.body }}" in json.loads(hidden)["sample"][0]["messages"][0]["content"]["body"]
    assert "We call +12125550001." in open_
    assert '"to": "n1@example.com"' in open_


@pytest.mark.parametrize(
    ("address", "shown"), [("+4915112345678", "+49…78"), ("ada@example.com", "a…@example.com"), ("", "")]
)
def test_a_masked_address_tells_its_country_or_its_domain(address, shown):
    assert masked(address) == shown


def test_a_message_that_cannot_be_made_says_why(rt):
    put(rt, person(1, fields={"plan": None}))
    [one] = look(rt).sample
    assert [draft.problem for draft in one.drafts] == ["states.begin.actions.0.message: contact.plan has no value", ""]


def test_what_some_people_lack_is_a_warning_and_what_all_lack_stands_in_the_way(rt):
    put(rt, *(person(n) for n in range(5, 9)), person(2, fields={"plan": None}))
    some = look(rt)
    put(rt, person(3, "vip", fields={"plan": None}))
    nobody = look(rt, lists=("vip",))
    assert (len(some.warns), some.blocks) == (1, ())
    assert "1 of the 5 people looked at have no contact.plan, which states.begin.actions.0.message" in some.warns[0]
    assert some.as_json()["lacking"] == {"contact.plan": 1}
    [block] = nobody.blocks
    assert block.startswith("nobody in the audience has contact.plan")


def test_what_more_people_lack_than_the_guard_lets_fail_stands_in_the_way_unless_it_is_meant(rt):
    put(rt, *(person(n) for n in range(3)), person(3, fields={"plan": None}))
    [block] = look(rt).blocks
    assert "1 of the 4 people looked at have no contact.plan" in block
    assert "more than the 0.2 of guard.failureRate; narrow the audience, or say --despite-failures" in block
    for guard in ({"failureRate": 0.25}, {"failureRate": "off"}, "off"):
        rt.schema.update(rt.actor, "campaign", "cmp_1", {"guard": guard})
        assert (look(rt).blocks, len(look(rt).warns)) == ((), 1)


def test_an_audience_above_its_bound_is_refused_with_the_number(rt):
    put(rt, *(person(n) for n in range(3)))
    [block] = look(rt, lists=("people",), largest=2).blocks
    assert block.startswith("3 people belong to the audience, more than the 2 that are allowed")
    assert look(rt, lists=("people",), largest=3).blocks == ()


def test_an_installation_may_bound_every_audience(rt):
    put(rt, *(person(n) for n in range(3)))
    rt.settings = rt.settings.model_copy(update={"audience_largest": 2})
    assert len(look(rt).blocks) == 1


def test_a_segment_that_matches_everybody_is_refused_unless_all_are_meant(rt):
    put(rt, person(1), person(2))
    [block] = look(rt, segment="plan:*").blocks
    assert "--everyone" in block
    assert look(rt, segment="plan:*", everyone=True).blocks == ()
    assert look(rt, segment="plan:*", lists=("people",)).blocks == ()
    assert look(rt, segment="firstName:N1").blocks == ()


def test_a_segment_that_leaves_out_hardly_anybody_is_refused_with_both_numbers(rt):
    rt.store.import_contacts(TENANT, "people", [person(n)[1] for n in range(101)], rt.now())
    [block] = look(rt, segment="NOT firstName:N1").blocks
    assert block.startswith("the segment matches 100 of the 101 contacts; narrow it")
    assert look(rt, segment="NOT firstName:N1", everyone=True).blocks == ()
    assert look(rt, segment="NOT firstName:(N1 OR N2)").blocks == ()


def test_an_attribute_that_nobody_has_is_a_warning(rt):
    put(rt, person(1), person(2))
    [warning] = look(rt, segment="firstName:N1 AND NOT optdOut:true").warns
    assert "no contact has 'optdOut'" in warning


def test_what_a_launch_leaves_out_and_what_the_campaign_leaves_out_add_up(rt):
    put(rt, *(person(n, fields={"plan": plan}) for n, plan in enumerate(("gold", "silver", "bronze", "lead"))))
    of_campaign(rt, exclude={"segment": ["plan:gold", "plan:lead"]})
    counts = look(rt, lists=("people",), exclude_segments=("plan:silver",)).counts
    assert (counts.total, [people for _, people in counts.excluded]) == (1, [3])


@pytest.mark.parametrize(
    ("said", "people", "unused"),
    [
        ({"lists": ("people",)}, 2, "the campaign's segment 'plan:gold' is not used: a list was named"),
        ({"segment": "plan:silver"}, 1, "of the campaign's audience the lists 'vip' are not used: a segment was named"),
        ({"lists": ("vip",), "segment": "plan:silver"}, 1, ""),
        ({"exclude_lists": ("people",)}, 1, ""),
        ({"people": ("n1@example.com",)}, 1, ""),
        (
            {"people": ("n1@example.com",), "lists": ("vip",)},
            1,
            "the lists 'vip' are not used: people were named, whatever lists they are on",
        ),
    ],
)
def test_who_a_launch_names_takes_the_place_of_the_whole_audience_and_it_says_what_goes(rt, said, people, unused):
    put(rt, person(1), person(2, fields={"plan": "silver"}), person(2, "vip", fields={"plan": "silver"}))
    put(rt, person(3, "vip"))
    of_campaign(rt, lists=["vip"], segment="plan:gold")
    found = look(rt, **said)
    assert found.counts.total == people
    assert [warning.partition(";")[0] for warning in found.warns] == ([unused] if unused else [])


def test_an_audience_of_nobody_is_refused(rt):
    put(rt, person(1))
    assert look(rt, segment="plan:silver").blocks == ("nobody belongs to the audience",)


def test_names_that_lead_nowhere_are_said_before_anything_is_counted(rt):
    with pytest.raises(CannotLaunch, match="no contact list 'peple'"):
        look(rt, lists=("peple",))


def test_a_saved_segment_is_used_by_its_name(rt):
    put(rt, person(1), person(2, fields={"plan": "silver"}))
    rt.schema.create(rt.actor, "segment", {"name": "Gold", "query": "plan:gold"})
    assert look(rt, segment="Gold").counts.total == 1


def test_a_segment_may_come_with_the_campaign_that_names_it(rt):
    put(rt, person(1), person(2, fields={"plan": "silver"}))
    documents = tuple(rt.schema.drafts(rt.actor, [("segment", "seg_1", {"name": "Gold", "query": "plan:gold"})]))
    request = Launch(tenant_id=TENANT, campaign="cmp_1", audience=Audience(segment="Gold"), documents=documents)
    assert preview(rt, request).counts.total == 1


def test_nothing_of_a_preview_is_kept(rt):
    put(rt, person(1))
    before = rt.store.find_runs(TENANT)
    look(rt)
    assert rt.store.find_runs(TENANT) == before == []
