"""The sandbox against the vendors' own schemas (vendor_schemas.json; its `source` says where they come from)."""

import json
from pathlib import Path

import jsonschema
import pytest
import requests

from channels.sandbox import Faults, RequestFault
from channels.sandbox.mail_request import Mail, Personalization
from channels.sandbox.settings import ACCOUNT_SID, API_KEY, AUTH_TOKEN
from channels.sandbox.vendor_fields import CALL_PARAMETERS, CALL_UPDATE_PARAMETERS, MESSAGE_PARAMETERS

VENDOR = json.loads(Path(__file__).with_name("vendor_schemas.json").read_text())
RESOURCES = {"Messages": "api.v2010.account.message", "Calls": "api.v2010.account.call"}
TWILIO_ERROR = {
    "type": "object",
    "properties": {
        "code": {"type": "integer"},
        "message": {"type": "string", "minLength": 1},
        "more_info": {"type": "string", "pattern": "^https://www.twilio.com/docs/errors/[0-9]+$"},
        "status": {"type": "integer"},
    },
    "required": ["code", "message", "more_info", "status"],
    "additionalProperties": False,
}
FORMS = {
    "Messages": [
        {"From": "+12125550100", "Body": "Hello"},
        {"MessagingServiceSid": "MG" + "1" * 32, "Body": "Žluťoučký kůň"},
        {"From": "+12125550100", "MediaUrl": "https://example.com/a.png"},
    ],
    "Calls": [
        {"From": "+12125550100", "Twiml": "<Response/>"},
        {"From": "+12125550100", "Url": "http://127.0.0.1:9/", "MachineDetection": "Enable", "Timeout": "5"},
    ],
}
ENDINGS = ("2671", "0937", "2879", "6626", "6224", "3245", "7368")


def conform(document, name):
    """Check a document against a vendor's schema, and that it has all of the schema's fields and no other."""
    schema = {**VENDOR["$defs"][name], "$defs": VENDOR["$defs"]}
    jsonschema.Draft202012Validator(schema).validate(document)
    assert document.keys() == schema["properties"].keys()


@pytest.mark.parametrize("resource", RESOURCES)
def test_every_answer_about_a_resource_is_what_the_vendors_schema_says(open_sandbox, until, resource):
    sandbox, name = open_sandbox(), RESOURCES[resource]
    url = f"{sandbox.url}/2010-04-01/Accounts/{ACCOUNT_SID}/{resource}"
    with requests.Session() as http:
        http.auth = (ACCOUNT_SID, AUTH_TOKEN)
        made = []
        for ending in ENDINGS:
            for form in FORMS[resource]:
                answer = http.post(f"{url}.json", data={"To": f"+1415555{ending}", **form}, timeout=5)
                assert answer.status_code == 201
                conform(answer.json(), name)
                made.append(answer.json()["sid"])
        until(lambda: http.get(f"{sandbox.url}/sandbox/health", timeout=5).json()["planned"] == 0)
        for sid in made:
            conform(http.get(f"{url}/{sid}.json", timeout=5).json(), name)
        for query in ("PageSize=5", "PageSize=5&Page=1", "To=%2B14155552671", "To=%2B19995550000", "PageSize=1000"):
            page = http.get(f"{url}.json?{query}", timeout=5).json()
            schema = VENDOR[f"list_{resource.lower()}"]
            jsonschema.Draft202012Validator({**schema, "$defs": VENDOR["$defs"]}).validate(page)
            assert page.keys() == schema["properties"].keys()
            for document in page[resource.lower()]:
                conform(document, name)


def test_every_error_of_twilios_has_its_shape(open_sandbox):
    script = (RequestFault.REFUSE_429, RequestFault.REFUSE_503, RequestFault.ACCEPT_THEN_500)
    sandbox = open_sandbox(faults=Faults(next=script))
    url = f"{sandbox.url}/2010-04-01/Accounts/{ACCOUNT_SID}/Messages"
    auth, good = (ACCOUNT_SID, AUTH_TOKEN), {"To": "+14155552671", "From": "+12125550100", "Body": "Hello"}
    answers = [requests.post(f"{url}.json", data=good, auth=auth, timeout=5) for _ in script]
    answers += [
        requests.post(f"{url}.json", data={**good, "Colour": "red"}, auth=auth, timeout=5),
        requests.post(f"{url}.json", data=good, auth=("AC", "x"), timeout=5),
        requests.get(f"{url}/SM0.json", auth=auth, timeout=5),
        requests.get(f"{url}.json?PageSize=0", auth=auth, timeout=5),
        requests.get(f"{url}.json?DateSent=yesterday", auth=auth, timeout=5),
        requests.get(f"{url}.json?PageToken=PASM1", auth=auth, timeout=5),
        requests.get(f"{url.replace(ACCOUNT_SID, 'AC' + '0' * 32)}.json", auth=auth, timeout=5),
    ]
    assert [answer.status_code for answer in answers] == [429, 503, 500, 400, 401, 404, 400, 400, 400, 404]
    for answer in answers:
        jsonschema.validate(answer.json(), TWILIO_ERROR)
        assert answer.json()["status"] == answer.status_code


def test_every_error_of_sendgrids_has_its_shape(open_sandbox):
    script = (RequestFault.REFUSE_429, RequestFault.REFUSE_503, RequestFault.NONE)
    sandbox = open_sandbox(faults=Faults(next=script))
    schema = {**VENDOR["$defs"]["ErrorResponse"], "$defs": VENDOR["$defs"]}
    for key, http in ((API_KEY, 429), (API_KEY, 503), (API_KEY, 400), ("SG.wrong", 401)):
        headers = {"Authorization": f"Bearer {key}"}
        answer = requests.post(f"{sandbox.url}/v3/mail/send", json={}, headers=headers, timeout=5)
        assert answer.status_code == http
        jsonschema.Draft202012Validator(schema).validate(answer.json())
        assert answer.json()["errors"]


def test_requests_may_carry_what_the_vendors_allow_and_nothing_else():
    assert sorted(MESSAGE_PARAMETERS) == VENDOR["create_message_parameters"]
    assert sorted(CALL_PARAMETERS) == VENDOR["create_call_parameters"]
    assert sorted(CALL_UPDATE_PARAMETERS) == VENDOR["update_call_parameters"]
    mail = VENDOR["mail_send"]
    assert names_of(Mail) == mail["properties"].keys()
    assert names_of(Personalization) == mail["properties"]["personalizations"]["items"]["properties"].keys()


def names_of(model):
    return {field.alias or name for name, field in model.model_fields.items()}
