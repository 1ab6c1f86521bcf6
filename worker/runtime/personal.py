"""What a PERSONAL campaign may do: it is one user's inbox, not a broadcast.

1. It belongs to one user: its only supervisor, or who created it where it has none.
2. Whatever leaves comes from that user's own number and address, so that whoever answers reaches them.
3. It is for one contact, or for lists of that user (theirs by `createdBy`, or by `userId`), 200 people at most.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from channels.messages import ChannelKind
from worker.domain.addresses import normalize_email, to_e164
from worker.domain.campaign import Campaign, CampaignType
from worker.domain.user import User

MOST_PEOPLE: Final = 200
_FROM: Final = {
    ChannelKind.SMS: "smsFromAddress",
    ChannelKind.EMAIL: "emailFromAddress",
    ChannelKind.VOICE: "callerId",
}


def personal_reasons(
    campaign: Campaign,
    users: Mapping[str, Mapping[str, Any]],
    lists: Sequence[Mapping[str, Any]],
    people: int,
    region: str,
) -> Iterator[str]:
    """Why this campaign may not be launched over these people; nothing for one that is not PERSONAL.

    `users`: the documents of users by id. `lists`: those of the lists it goes to, none for a segment. `region` is the
    country of numbers written without one.
    """
    if campaign.type is not CampaignType.PERSONAL:
        return
    if len(campaign.supervisors) > 1:
        yield f"a PERSONAL campaign belongs to one user; it names {len(campaign.supervisors)} as its supervisor"
        return
    user_id = campaign.supervisors[0] if campaign.supervisors else campaign.created_by
    document = users.get(user_id)
    user = User.parse(document, region) if document else None
    if user is None or not user.is_live or not user.enabled:
        yield "a PERSONAL campaign belongs to a user; name one who is saved and enabled as its supervisor"
        return
    yield from _of_senders(campaign, user, region)
    yield from _of_people(user_id, lists, people)


def _of_senders(campaign: Campaign, user: User, region: str) -> Iterator[str]:
    own = {
        ChannelKind.SMS: _number(user.phone, region),
        ChannelKind.VOICE: _number(user.phone, region),
        ChannelKind.EMAIL: (user.email or user.username).casefold(),
    }
    for channel in sorted(campaign.channels):
        sender = campaign.sender(channel)
        sent_from = normalize_email(sender).casefold() if channel is ChannelKind.EMAIL else sender
        if not own[channel] or sent_from != own[channel]:
            what = "email" if channel is ChannelKind.EMAIL else "phone"
            yield f"a PERSONAL campaign sends as its user: {_FROM[channel]} must be the {what} of user {user.user_id}"


def _number(phone: str, region: str) -> str:
    try:
        return to_e164(phone, region)
    except ValueError:
        return ""


def _of_people(user_id: str, lists: Sequence[Mapping[str, Any]], people: int) -> Iterator[str]:
    if people <= 1:
        return
    if people > MOST_PEOPLE:
        yield f"a PERSONAL campaign is for {MOST_PEOPLE} people at most; these are {people}"
    if not lists or any(user_id not in (one.get("createdBy"), one.get("userId")) for one in lists):
        yield f"a PERSONAL campaign is for one contact or a list of its user; name a list whose userId is {user_id}"
