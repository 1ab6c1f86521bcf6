"""Who is contacted, in which campaign, and what each of them is owed: a text, a mail, and a text or a call.

1. Everybody is in one campaign only and has a number and a mailbox that nobody else has: the provider's ledger alone
   says who got what.
2. The sandbox's people of these addresses are ordinary: they receive everything, once is enough.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Final

from channels.sandbox.people import load_people

HERE: Final = Path(__file__).parent
WAIT_SECONDS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """One campaign. `share` of the people are in it; its senders are its own."""

    name: str
    share: float
    sms: str
    mail: str

    @property
    def documents(self) -> str:
        """The campaign and its workflow, as YAML."""
        return self.version("v1")

    def version(self, version: str) -> str:
        """The same with other texts."""
        template = Template((HERE / "campaign.yaml").read_text())
        return template.substitute(name=self.name, sms=self.sms, mail=self.mail, version=version, wait=WAIT_SECONDS)


MAIN: Final = Campaign(name="main", share=0.34, sms="+12125550101", mail="main@sender.example.com")
PAUSED: Final = Campaign(name="paused", share=0.33, sms="+12125550102", mail="paused@sender.example.com")
CANCELLED: Final = Campaign(name="cancelled", share=0.33, sms="+12125550103", mail="cancelled@sender.example.com")
CAMPAIGNS: Final = (MAIN, PAUSED, CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody in a campaign. `last`: the channel of their third message, sms or voice."""

    campaign: str
    phone: str
    email: str
    last: str

    def owed(self) -> tuple[tuple[str, str, str], ...]:
        """(step, channel, address) of each message, in order."""
        return (("first", "sms", self.phone), ("mail", "email", self.email), ("last", self.last, self.phone))


def make_audience(contacts: int) -> list[Person]:
    """So many people, shared out among the campaigns."""
    numbers = _ordinary_numbers()
    people = []
    for campaign in CAMPAIGNS:
        for place in range(round(contacts * campaign.share)):
            number, phone = next(numbers)
            email, last = f"person{number}@example.com", ("sms", "voice")[place % 2]
            people.append(Person(campaign=campaign.name, phone=phone, email=email, last=last))
    return people


def write_contacts(people: list[Person], campaign: Campaign, path: Path) -> Path:
    """The people of a campaign as a CSV file to import."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("phone", "email", "lastStep"))
        writer.writerows((p.phone, p.email, p.last) for p in people if p.campaign == campaign.name)
    return path


def _ordinary_numbers() -> Iterator[tuple[int, str]]:
    known = load_people()
    for number in range(5_000_000, 9_000_000):
        phone = f"+1202{number}"
        if known.behind_number(phone).name == "everybody":
            yield number, phone
