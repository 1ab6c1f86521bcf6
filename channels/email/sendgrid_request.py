"""Puts many mails into few requests of SendGrid. API: twilio.com/docs/sendgrid/api-reference/mail-send.

1. A request has one envelope (sender, reply address) and one content. Bodies made from one template differ in few
   places: those become substitution tags, and what is common travels once.
2. An address is in a request once; at most a thousand are.
3. A person's substitutions hold at most 10,000 bytes. Whoever needs more travels alone, with the body as it is.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from channels.messages import Email

ATTEMPT_ARG: Final = "attempt_id"
"""The custom argument that comes back in every event. Not `attempt`: `deferred` events count their tries under it."""

MOST_RECIPIENTS: Final = 1000
MOST_SUBSTITUTION_BYTES: Final = 10_000

_TAG_OPENS: Final = "-@"
"""A body or subject that holds this by itself is never merged, so that nothing in it is taken for a tag."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """One person in a request. `position` is the mail's place in the send it belongs to."""

    position: int
    email: Email = field(repr=False)
    substitutions: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class MailRequest:
    """One request: recipients that share an envelope, and the content they share but for their substitutions."""

    recipients: Sequence[Recipient]
    text: str = field(repr=False)
    html: str = field(repr=False)

    def without(self, gone: Collection[int]) -> "MailRequest":
        """The same request but for the recipients at these places."""
        return replace(self, recipients=[one for place, one in enumerate(self.recipients) if place not in gone])

    def halves(self) -> tuple["MailRequest", "MailRequest"]:
        """Two requests that hold what this one holds."""
        middle = len(self.recipients) // 2
        return replace(self, recipients=self.recipients[:middle]), replace(self, recipients=self.recipients[middle:])

    def body(self) -> dict[str, Any]:
        """The JSON of the request."""
        first = self.recipients[0].email
        contents = (("text/plain", self.text), ("text/html", self.html))  # plain first, says RFC 2046 and SendGrid
        body: dict[str, Any] = {
            "personalizations": [_personalization(one, first.subject) for one in self.recipients],
            "from": _address(first.sender, first.sender_name),
            "subject": first.subject,
            "content": [{"type": kind, "value": value} for kind, value in contents if value],
        }
        if first.reply_to:
            body["reply_to"] = {"email": first.reply_to}
        return body


def plan(emails: Mapping[int, Email]) -> list[MailRequest]:
    """The requests that carry these mails, each mail in exactly one. The keys are their positions."""
    groups: defaultdict[tuple[object, ...], list[Recipient]] = defaultdict(list)
    requests: list[MailRequest] = []
    seen: Counter[str] = Counter()
    for position, email in emails.items():
        address = email.to.casefold()
        recipient = Recipient(position, email)
        if _TAG_OPENS in email.text or _TAG_OPENS in email.html or _TAG_OPENS in email.subject:
            requests.append(_alone(recipient))
            continue
        envelope = (email.sender, email.sender_name, email.reply_to)
        shape = (not email.text, not email.html, email.text.count("\n"), email.html.count(">"))
        groups[(*envelope, *shape, seen[address])].append(recipient)
        seen[address] += 1
    for group in groups.values():
        for start in range(0, len(group), MOST_RECIPIENTS):
            requests += _merged(group[start : start + MOST_RECIPIENTS])
    return requests


def _merged(group: Sequence[Recipient]) -> list[MailRequest]:
    """One request for a group whose bodies have the same number of pieces, and one for each who does not fit in it."""
    text, text_tags = _template([one.email.text for one in group], "\n", "t")
    html, html_tags = _template([one.email.html for one in group], ">", "h")
    requests, fitting = [], []
    for one, of_text, of_html in zip(group, text_tags, html_tags, strict=True):
        substitutions = {**of_text, **of_html}
        if sum(len(tag) + len(value.encode()) for tag, value in substitutions.items()) > MOST_SUBSTITUTION_BYTES:
            requests.append(_alone(one))
        else:
            fitting.append(replace(one, substitutions=substitutions))
    if len(fitting) == 1:
        requests.append(_alone(fitting[0]))
    elif fitting:
        requests.append(MailRequest(fitting, text, html))
    return requests


def _template(bodies: Sequence[str], separator: str, kind: str) -> tuple[str, Iterable[Mapping[str, str]]]:
    """What the bodies share, with tags where they differ, and the value of each tag for each body."""
    first = bodies[0]
    if all(body == first for body in bodies):
        return first, [{}] * len(bodies)
    template = first.split(separator)
    pieces = [body.split(separator) for body in bodies]
    differing = sorted({place for one in pieces for place, piece in enumerate(one) if piece != template[place]})
    tags = [(f"{_TAG_OPENS}{kind}{place}@-", place) for place in differing]
    for tag, place in tags:
        template[place] = tag
    # `pieces` and `tags` are read when a recipient is made: the values are never held twice.
    return separator.join(template), ({tag: one[place] for tag, place in tags} for one in pieces)


def _alone(recipient: Recipient) -> MailRequest:
    email = recipient.email
    return MailRequest([replace(recipient, substitutions={})], email.text, email.html)


def _personalization(recipient: Recipient, subject: str) -> dict[str, Any]:
    email = recipient.email
    one: dict[str, Any] = {
        "to": [_address(email.to, email.to_name)],
        "custom_args": {ATTEMPT_ARG: email.attempt_id},
    }
    if email.subject != subject:
        one["subject"] = email.subject
    if email.headers:
        one["headers"] = dict(email.headers)
    if recipient.substitutions:
        one["substitutions"] = dict(recipient.substitutions)
    return one


def _address(email: str, name: str) -> dict[str, str]:
    return {"email": email, "name": name} if name else {"email": email}
