"""One example of every type, as the documentation of the HTTP interface shows it. Each works when it is pasted.

An example may name others; posted in the order of the documentation, none is named before it is there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """What to create, what to change in it, and a query that finds it."""

    data: Mapping[str, Any]
    changes: Mapping[str, Any]
    q: str


EXAMPLES: Final[Mapping[str, Example]] = {
    "campaign": Example(
        data={
            "campaignId": "cmp_renewal",
            "name": "Renewal Q4",
            "description": "Reminds customers that their plan renews.",
            "type": "DEFAULT",
            "workflowId": "wf_renewal",
            "useForEmail": True,
            "emailFromAddress": "renewals@example.com",
            "dispositions": ["disp_renewed"],
        },
        changes={"useForSMS": True, "smsFromAddress": "(212) 555-0100"},
        q="name:Renew* AND useForEmail:true",
    ),
    "workflow": Example(
        data={
            "workflowId": "wf_renewal",
            "name": "Renewal reminder",
            "initialStateId": "remind",
            "states": {
                "remind": {
                    "actions": [
                        {
                            "type": "sendEmail",
                            "subject": "Your plan renews",
                            "text": 'Hi {{ contact.firstName | default: "there" }}, your plan renews on Friday.',
                        },
                        {"type": "setDisposition", "disposition": "RENEWED"},
                    ]
                }
            },
        },
        changes={"description": "One mail, and done."},
        q="name:renewal",
    ),
    "disposition": Example(
        data={
            "dispositionId": "disp_renewed",
            "name": "Renewed",
            "code": "RENEWED",
            "category": "CONTACTED",
            "resolved": True,
        },
        changes={"description": "The customer said yes."},
        q="code:RENEWED",
    ),
    "user": Example(
        data={"userId": "usr_ada", "username": "ada", "firstName": "Ada", "email": "ada@example.com"},
        changes={"timezone": "America/New_York"},
        q="username:ada",
    ),
    "contact": Example(
        data={
            "contactId": "con_bob",
            "externalId": "C-10226",
            "firstName": "Bob",
            "lastName": "Reyes",
            "mobile": "(212) 736-5000",
            "email": "bob@example.com",
            "timezone": "America/New_York",
            "attributes": {"plan": "Basic"},
        },
        changes={"language": "es", "attributes": {"plan": "Premium"}},
        q="firstName:Bob AND _exists_:email",
    ),
    "contactlist": Example(
        data={"contactListId": "lst_renewal", "name": "Renewals in December", "campaignIds": ["cmp_renewal"]},
        changes={"priority": 1},
        q="campaignIds:cmp_renewal",
    ),
    "segment": Example(
        data={
            "segmentId": "seg_december",
            "name": "Gold in December",
            "query": "plan:gold AND renewalDate:[2026-12-01 TO 2026-12-31]",
        },
        changes={"description": "Whose gold plan renews in December."},
        q="name:gold",
    ),
    "emailaccount": Example(
        data={"emailAccountId": "eml_renewals", "name": "Renewals", "emailAddress": "renewals@example.com"},
        changes={"displayName": "Renewals Team"},
        q="enabled:true",
    ),
    "prompt": Example(
        data={"promptId": "pmt_notice", "name": "Recording notice", "text": "This call may be recorded."},
        changes={"language": "en-US"},
        q='name:"recording notice"',
    ),
    "template": Example(
        data={
            "templateId": "tpl_reminder",
            "name": "Reminder",
            "subject": "Your plan renews",
            "text": "Hi {{ contact.firstName }}, your plan renews on Friday.",
        },
        changes={"language": "en-US"},
        q="reminder",
    ),
    "commconsent": Example(
        data={
            "commConsentId": "cns_bob",
            "address": "(212) 736-5000",
            "consentType": "optIn",
            "channel": "sms",
            "contactId": "con_bob",
        },
        changes={"reason": "Asked for it on the phone."},
        q="channel:sms",
    ),
    "campaigndisposition": Example(
        data={
            "campaignDispositionId": "cd_renewal",
            "campaignId": "cmp_renewal",
            "dispositionId": "disp_renewed",
        },
        changes={"description": "Offered since November."},
        q="campaignId:cmp_renewal",
    ),
    "supervisorcampaign": Example(
        data={
            "supervisorCampaignId": "sup_renewal",
            "campaignId": "cmp_renewal",
            "userId": "usr_ada",
            "notify": ["email"],
        },
        changes={"notify": ["email", "sms"]},
        q="userId:usr_ada",
    ),
}

BATCH: Final = (
    {"contactId": "con_cleo", "firstName": "Cleo", "email": "cleo@example.com"},
    {"contactId": "con_dan", "firstName": "Dan", "email": "dan@example.com"},
)
