"""What an outcome is called, and what follows from it: retry, suppress, count, or nothing.

1. Every outcome has a system code of the closed table below; a campaign may file it under a disposition of its own.
2. A disposition of the campaign never weakens what the system code demands: an opt-out stays one under any name.
3. A retry is only ever written on outcomes that are certain. UNKNOWN_RESULT has none, and may be given none.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # the documents are read with the words of this module
    from worker.domain.campaign import Campaign
    from worker.domain.disposition import Disposition


class Category(StrEnum):
    """What kind of outcome a disposition is; the same words for every channel."""

    CONTACTED = "CONTACTED"
    DELIVERED = "DELIVERED"
    NOT_REACHED = "NOT_REACHED"
    MACHINE = "MACHINE"
    UNREACHABLE = "UNREACHABLE"
    INVALID = "INVALID"
    OPTED_OUT = "OPTED_OUT"
    BLOCKED = "BLOCKED"
    SUPPRESSED = "SUPPRESSED"
    FAILED_TECH = "FAILED_TECH"
    FAILED_CONFIG = "FAILED_CONFIG"
    SKIPPED = "SKIPPED"
    CANCELLED = "CANCELLED"
    PENDING = "PENDING"


class RetryScope(StrEnum):
    """Whose attempts `max_attempts` counts: this message's, or all of the contact's in the run on the channel."""

    ADDRESS = "address"
    CONTACT = "contact"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRule:
    """When the same address is tried again. The n-th retry comes `delay_seconds * backoff ** (n - 1)` later."""

    delay_seconds: int
    max_attempts: int
    """Attempts in all, the first included."""
    backoff: float = 1.0
    scope: RetryScope = RetryScope.ADDRESS


@dataclass(frozen=True, slots=True, kw_only=True)
class DispositionRule:
    """What follows from one outcome.

    `resolved`: the contact's business in this campaign is done. `counts_as_attempt` is False where the fault was ours.
    `suppress`: an opt-out, never this address on this channel again. `address_uncallable`: there is nobody there.
    """

    code: str
    category: Category
    name: str
    description: str = ""
    resolved: bool = False
    retry: RetryRule | None = None
    counts_as_attempt: bool = True
    suppress: bool = False
    address_uncallable: bool = False


_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR


def _again(delay_seconds: int, max_attempts: int, backoff: float = 1.0) -> RetryRule:
    return RetryRule(delay_seconds=delay_seconds, max_attempts=max_attempts, backoff=backoff)


def _rule(
    code: str,
    category: Category,
    name: str,
    description: str = "",
    *,
    retry: RetryRule | None = None,
    counts: bool = True,
    suppress: bool = False,
    uncallable: bool = False,
) -> DispositionRule:
    return DispositionRule(
        code=code,
        category=category,
        name=name,
        description=description,
        resolved=category in _RESOLVED,
        retry=retry,
        counts_as_attempt=counts,
        suppress=suppress,
        address_uncallable=uncallable,
    )


_RESOLVED: Final = frozenset({Category.CONTACTED, Category.DELIVERED, Category.OPTED_OUT})

_C = Category
_VOICE: Final = (
    _rule("VOICE_PENDING", _C.PENDING, "Calling", "queued, ringing or in progress"),
    _rule("VOICE_HUMAN", _C.CONTACTED, "Answered by a person"),
    replace(_rule("VOICE_MACHINE_LEFT", _C.MACHINE, "Voicemail left"), resolved=True),
    _rule("VOICE_MACHINE", _C.MACHINE, "Answering machine", "hung up, nothing was said", retry=_again(_HOUR, 3)),
    _rule("VOICE_AMD_UNKNOWN", _C.CONTACTED, "Answered", "by a person or a machine, nobody can tell"),
    _rule("VOICE_FAX", _C.INVALID, "Fax machine", uncallable=True),
    _rule("VOICE_NO_ANSWER", _C.NOT_REACHED, "No answer", retry=_again(_HOUR, 3)),
    _rule("VOICE_BUSY", _C.NOT_REACHED, "Busy", retry=_again(15 * _MINUTE, 3)),
    _rule("VOICE_DECLINED", _C.NOT_REACHED, "Declined", "the person pressed the red button", retry=_again(_DAY, 2)),
    _rule("VOICE_INVALID", _C.INVALID, "No such number", uncallable=True),
    # Counts even though it may never have rung: the count is what ends the retries.
    _rule("VOICE_FAILED", _C.FAILED_TECH, "Call failed", "at the carrier", retry=_again(5 * _MINUTE, 3, 2.0)),
    _rule("VOICE_CONFIG", _C.FAILED_CONFIG, "Calling is misconfigured", "caller id, permission, login", counts=False),
    _rule("VOICE_CANCELED", _C.CANCELLED, "Call canceled by us", counts=False),
    # Not tried again by itself: a person hung up on must next time find an agent reserved for them.
    _rule("VOICE_ABANDONED", _C.NOT_REACHED, "Abandoned", "a person answered and no agent was free"),
)

_SMS: Final = (
    _rule("SMS_PENDING", _C.PENDING, "Text on its way"),
    _rule("SMS_SENT", _C.DELIVERED, "Text sent, unconfirmed", "some carriers never confirm"),
    _rule("SMS_DELIVERED", _C.DELIVERED, "Text delivered"),
    replace(_rule("SMS_REPLIED", _C.CONTACTED, "Text answered", "the workflow decides what it means"), resolved=False),
    _rule("SMS_UNREACHABLE", _C.UNREACHABLE, "Handset unreachable", retry=_again(_HOUR, 3, 2.0)),
    _rule("SMS_UNKNOWN_DEST", _C.INVALID, "No such mobile number", uncallable=True),
    # Only texts fail: the number can still be called.
    _rule("SMS_LANDLINE", _C.INVALID, "Landline, takes no texts"),
    _rule("SMS_BLOCKED", _C.BLOCKED, "Text blocked", "by the person or the carrier"),
    _rule("SMS_FILTERED", _C.BLOCKED, "Text filtered", "the carrier took it for spam"),
    _rule("SMS_OPTED_OUT", _C.OPTED_OUT, "Opted out of texts", suppress=True),
    _rule("SMS_QUEUE_OVERFLOW", _C.FAILED_TECH, "Too many texts at once", retry=_again(60, 5, 2.0), counts=False),
    _rule("SMS_UNKNOWN_ERROR", _C.FAILED_TECH, "Text failed", "the carrier did not say why", retry=_again(_HOUR, 2)),
    _rule("SMS_FAILED", _C.FAILED_TECH, "Text failed", "for a reason we do not know"),
    _rule("SMS_CONFIG", _C.FAILED_CONFIG, "Texting is misconfigured", "sender, permission, login", counts=False),
)

_EMAIL: Final = (
    _rule("EMAIL_ACCEPTED", _C.PENDING, "Mail on its way"),
    _rule("EMAIL_DEFERRED", _C.PENDING, "Mail deferred", "the provider itself tries again"),
    _rule("EMAIL_SENT", _C.DELIVERED, "Mail sent, unconfirmed"),
    _rule("EMAIL_DELIVERED", _C.DELIVERED, "Mail delivered"),
    _rule("EMAIL_OPENED", _C.CONTACTED, "Mail opened"),
    _rule("EMAIL_CLICKED", _C.CONTACTED, "Link in the mail clicked"),
    _rule("EMAIL_BOUNCED", _C.INVALID, "Mail bounced", uncallable=True),
    _rule("EMAIL_BLOCKED", _C.BLOCKED, "Mail blocked", "refused for now", retry=_again(4 * _HOUR, 3)),
    _rule("EMAIL_EXPIRED", _C.UNREACHABLE, "Mail expired", "never taken in time", retry=_again(4 * _HOUR, 2)),
    _rule("EMAIL_DROPPED_INVALID", _C.INVALID, "Mail dropped: invalid address", uncallable=True),
    _rule("EMAIL_DROPPED_BOUNCED", _C.INVALID, "Mail dropped: bounced before", uncallable=True),
    _rule("EMAIL_DROPPED_UNSUB", _C.OPTED_OUT, "Mail dropped: unsubscribed", suppress=True),
    _rule("EMAIL_DROPPED_OTHER", _C.SUPPRESSED, "Mail dropped by the provider"),
    _rule("EMAIL_SPAM_REPORT", _C.OPTED_OUT, "Reported as spam", suppress=True),
    _rule("EMAIL_UNSUBSCRIBED", _C.OPTED_OUT, "Unsubscribed", suppress=True),
    _rule("EMAIL_THROTTLED", _C.FAILED_TECH, "Too many mails at once", retry=_again(60, 5, 2.0), counts=False),
    _rule("EMAIL_FAILED", _C.FAILED_TECH, "Mail failed", "the provider did not say why"),
    _rule("EMAIL_CONFIG", _C.FAILED_CONFIG, "Mailing is misconfigured", "sender not verified, login", counts=False),
)

_ENGINE: Final = (
    _rule("SUPPRESSED_DNC", _C.SUPPRESSED, "On the do-not-contact list", counts=False),
    _rule("SUPPRESSED_CONSENT", _C.SUPPRESSED, "No consent", counts=False),
    _rule("SUPPRESSED_BLOCKED", _C.SUPPRESSED, "Contact is blocked", counts=False),
    _rule("OUTSIDE_HOURS", _C.PENDING, "Waits for the permitted hours", counts=False),
    _rule("FREQUENCY_CAP", _C.SKIPPED, "Contacted often enough", counts=False),
    _rule("MAX_ATTEMPTS", _C.SKIPPED, "Tried often enough", counts=False),
    _rule("DAILY_MAX", _C.SKIPPED, "Tried often enough today", counts=False),
    _rule("SCHEDULE_MISSED", _C.SKIPPED, "Its moment had passed", counts=False),
    _rule("CHANNEL_DISABLED", _C.SKIPPED, "Channel is off in this campaign", counts=False),
    _rule("NO_ADDRESS", _C.SKIPPED, "Has no address for this channel", counts=False),
    _rule("CAMPAIGN_PAUSED", _C.CANCELLED, "Campaign is paused", counts=False),
    _rule("CAMPAIGN_CANCELLED", _C.CANCELLED, "Run was cancelled", counts=False),
    _rule("CAMPAIGN_DELETED", _C.CANCELLED, "Campaign was deleted", counts=False),
    # It may have left. It counts, and it has no retry: a receipt, a look-up or a person decides.
    _rule("UNKNOWN_RESULT", _C.PENDING, "Nobody knows yet whether it left"),
    _rule("CALLBACK", _C.PENDING, "Asked to be called back"),
    _rule("PERSONAL_CALLBACK", _C.PENDING, "Asked to be called back by the same person"),
    _rule("RENDER_FAILED", _C.FAILED_CONFIG, "Template failed", "a value it needs is missing", counts=False),
    _rule("WORKFLOW_FAILED", _C.FAILED_CONFIG, "Workflow failed", "the reason says where and why", counts=False),
    _rule("QUARANTINED", _C.FAILED_TECH, "Set aside", "each try ended in a crash, or nowhere", counts=False),
    _rule("CONTENT_REFUSED", _C.FAILED_CONFIG, "Message is malformed", "empty, or too long", counts=False),
)

SYSTEM: Final[Mapping[str, DispositionRule]] = {rule.code: rule for rule in (*_VOICE, *_SMS, *_EMAIL, *_ENGINE)}
"""The dispositions every tenant has, by code."""


class DispositionBook:
    """The dispositions of one campaign: the system's, and those of its own that it offers.

    Built from the parsed campaign and the tenant's custom dispositions. One that the campaign neither lists in
    `dispositions` nor names as the result of a call is not in the book.
    """

    def __init__(self, campaign: "Campaign", documents: Iterable["Disposition"] = ()) -> None:
        named = campaign.result_dispositions
        offered = campaign.offered_dispositions | set(named.values())
        documents = [document for document in documents if document.is_live and offered & document.names]
        self._delays = campaign.callback_seconds
        self._max_attempts = campaign.max_attempts
        self._unknown_is = "VOICE_MACHINE" if campaign.amd_unknown_as_voicemail else "VOICE_HUMAN"
        self._codes = frozenset(SYSTEM) | {document.code for document in documents}
        self._filed: dict[str, DispositionRule] = {}
        self._custom: dict[str, DispositionRule] = {}
        for document in documents:
            outcomes = [code for code, reference in named.items() if reference in document.names]
            outcomes += [code for code in document.system_codes if code not in named]
            rules = {code: document.rule(self._system(code)) for code in outcomes if code in SYSTEM}
            self._filed = rules | self._filed
            meaning = next(iter(rules.values()), document.rule())
            self._custom |= dict.fromkeys(document.names, meaning)

    def rule(self, code: str) -> DispositionRule:
        """What follows from a code of the system, or from one of the campaign's own, whose id or name will do too.

        Raises KeyError for one that is not in the book.
        """
        return self._system(code) if code in SYSTEM else self._custom[code]

    def file(self, system_code: str) -> DispositionRule:
        """The disposition an outcome is filed under: the campaign's own where it has one, else the system's."""
        if system_code in self._filed:
            return self._filed[system_code]
        if system_code == "VOICE_AMD_UNKNOWN":
            as_if = self.file(self._unknown_is)
            return replace(as_if, code=system_code) if as_if.code in SYSTEM else as_if
        return self._system(system_code)

    def codes(self) -> frozenset[str]:
        """Every code a workflow of this campaign may set."""
        return self._codes

    def _system(self, code: str) -> DispositionRule:
        """The system's rule with the waits and the limit that the campaign sets."""
        rule = SYSTEM[code]
        retry = rule.retry
        if code in self._delays:
            retry = replace(retry or _again(0, _CALLBACK_ATTEMPTS), delay_seconds=self._delays[code], backoff=1.0)
        if retry and self._max_attempts:
            retry = replace(retry, max_attempts=self._max_attempts)
        return replace(rule, retry=retry)


_CALLBACK_ATTEMPTS: Final = 3
"""Attempts in all where a campaign sets a callback time for an outcome that has no retry, and no `maxAttempts`."""
