"""What a workflow would send to one person, told without a run."""

import pytest

from tests.engine.builders import CONTACT, NOW, a_definition, a_workflow
from worker.domain.enrollment import Recipient
from worker.engine.preview import drafts, needs

WAIT = {"type": "waitForReply", "timeout": "1 day", "into": "answer"}


def made(*actions, states=None, **contact):
    blocked = contact.pop("blocked", False)
    definition = a_definition(a_workflow(*actions, states=states))
    return list(drafts(definition, Recipient(**{**CONTACT, **contact}), NOW, blocked=blocked))


def sms(message, **more):
    return {"type": "sendSms", "message": message, **more}


def test_every_send_action_is_rendered_whether_or_not_it_will_be_reached():
    states = {
        "begin": {"actions": [sms("Hi {{ contact.firstName }}"), {"type": "transition", "to": "end"}]},
        "end": {
            "actions": [
                {"type": "sendEmail", "subject": "Bye", "text": "{{ campaign.name }}", "condition": "false"},
                {"type": "placeCall", "say": "Hello {{ contact.firstName }}"},
            ]
        },
    }
    text, mail, call = made(states=states)
    assert (text.state, text.to, text.content) == ("begin", CONTACT["phone"], {"body": "Hi Ada"})
    assert (mail.state, mail.to, mail.content["text"]) == ("end", CONTACT["email"], "Renewal")
    assert call.content["speech"]["text"] == "Hello Ada"
    assert [draft.problem for draft in (text, mail, call)] == ["", "", ""]


def test_what_only_exists_later_stands_as_the_template_names_it():
    setting = {"type": "setVariable", "name": "offer", "value": "{{ contact.firstName }}"}
    later = "{{ reply.body }}, {{ vars.offer | upcase }}, {{ outcome.category }}, {{ start.data.cart.id }}"
    [draft] = made(setting, WAIT, sms(later))
    assert draft.content == {
        "body": "{{ reply.body }}, {{ VARS.OFFER }}, {{ outcome.category }}, {{ start.data.cart.id }}"
    }


def test_a_variable_hides_what_came_with_the_person_as_it_will():
    setting = {"type": "setVariable", "name": "firstName", "value": "somebody"}
    [draft] = made(setting, sms("{{ workitem.data.firstName }} {{ workitem.contact.firstName }}"))
    assert draft.content == {"body": "{{ workitem.data.firstName }} Ada"}


@pytest.mark.parametrize(
    ("message", "contact", "problem"),
    [
        ("{{ contact.plan }}", {}, "contact.plan has no value"),
        ("{{ contact.long }}", {"fields": {"long": "x" * 1601}}, "longer than 1600"),
        ("Hi", {"phone": ""}, "NO_ADDRESS: the contact has no phone number"),
        ("Hi", {"blocked": True}, "SUPPRESSED_BLOCKED"),
        ("{{ contact.firstName }}", {"fields": {"firstName": "  "}}, "CONTENT_REFUSED"),
    ],
)
def test_what_would_keep_a_message_from_leaving_is_said(message, contact, problem):
    [draft] = made(sms(message), **contact)
    assert problem in draft.problem


def test_a_workflow_needs_what_its_templates_put_out():
    states = {
        "begin": {
            "actions": [
                sms("{{ contact.plan }} {{ contact.plan }} {{ contact.firstName | default: 'you' }}"),
                sms("{% if contact.city %}{{ contact.city }}{% endif %} {{ contact.address.zip }}"),
                sms("{{ workitem.data.price }} {{ workitem.contact.tags.size }} {{ workitem.data.offer }}"),
                {"type": "setVariable", "name": "offer", "value": "{{ contact.price }}"},
                {"type": "wait", "until": "{{ contact.renewalDate }}"},
            ]
        }
    }
    found = needs(a_definition(a_workflow(states=states)))
    assert set(found) == {("plan",), ("address", "zip"), ("price",), ("tags",), ("renewalDate",)}
    assert found["plan",] == ("states.begin.actions.0.message",)
    assert len(found["price",]) == 2
