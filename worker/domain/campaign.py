"""The campaign document: senders, channels, the linked workflow, the dispositions it offers. Configuration only.

1. A channel that is on has its sender. One that is off sends nothing, whatever sender is present.
2. `useForOutbound` is the one flag that permits calls. `useForProgressive` and `useForPredictive` say how calls are
   paced against agents and need it; without them calls are agentless: they speak, and nobody is bridged.
3. What is in the document but not understood is kept.
4. `whenUnknown` goes before the installation's settings; nothing is sent again into silence unless one of them says so.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, ClassVar, Final

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from channels.messages import E164, ChannelKind
from worker.domain.addresses import sender_e164, to_sms_sender
from worker.domain.audience import Audience, read_audience
from worker.domain.base import Document, EmailAddress, references, required
from worker.domain.faults import Fault
from worker.domain.guard import Guard, read_guard
from worker.domain.schedule import Schedule, read_schedule
from worker.domain.trigger import CancelRule, Trigger, read_cancel_on, read_triggers
from worker.domain.unknown_policy import read_policy


class CampaignType(StrEnum):
    """DEFAULT sends in bulk; PERSONAL is one user's inbox."""

    DEFAULT = "DEFAULT"
    PERSONAL = "PERSONAL"


class CampaignSupervisor(Document):
    """Who is told when a campaign pauses itself. Also accepted where only the user's id is written."""

    TYPE: ClassVar[str] = "supervisorcampaign"

    supervisor_campaign_id: str = ""
    user_id: str = ""
    campaign_id: str = ""
    notify: tuple[str, ...] = ()

    def rules(self) -> Iterator[Fault]:
        yield from super().rules()
        yield from required(self, "userId")


def _relation(key: str) -> AfterValidator:
    """The shape is checked and left as it came: it is returned unchanged."""

    def check(value: Any) -> Any:
        references(value, key)
        return value

    return AfterValidator(check)


Minutes = Annotated[float | None, Field(ge=0, le=60 * 24 * 90)]
"""Minutes until a redial; 0 and absent mean: as the system has it."""


class Campaign(Document):
    """One campaign.

    `supervisor`, `emailAccounts` and `dispositions` may be a relation page, a list, a map or one id; read them through
    `supervisors`, `email_account_ids` and `offered_dispositions`. `recordingAnalysisPercentage` is a percentage: 0.1
    is one call in a thousand.
    """

    TYPE: ClassVar[str] = "campaign"

    campaign_id: str = ""
    type: CampaignType = CampaignType.DEFAULT
    caller_id: str = ""
    sms_from_address: str = ""
    email_from_address: EmailAddress = ""
    workflow_id: str = ""
    dispositions: Annotated[Any, _relation("dispositionId")] = None
    email_accounts: Annotated[Any, _relation("emailAccountId")] = None
    enable_realtime_transcription: bool = False
    use_for_email: bool = False
    use_for_extension: bool = False
    use_for_fax: bool = False
    use_for_outbound: bool = False
    use_for_predictive: bool = False
    use_for_progressive: bool = False
    use_for_sms: bool = Field(default=False, alias="useForSMS")
    recording_analysis_percentage: float = Field(default=0, ge=0, le=100)
    recording_prompt_id: str = ""
    supervisor: Annotated[Any, _relation("userId")] = None

    max_attempts: int = Field(default=0, ge=0)
    """Attempts at one message in all; 0: as each disposition has it."""
    amd_unknown_as_voicemail: bool = False
    human_disposition_id: str = ""
    busy_disposition_id: str = ""
    no_answer_disposition_id: str = ""
    answering_machine_disposition_id: str = ""
    invalid_disposition_id: str = ""
    abandon_disposition_id: str = ""
    fax_disposition_id: str = ""
    busy_callback_in_minutes: Minutes = None
    no_answer_callback_in_minutes: Minutes = None
    answering_machine_callback_in_minutes: Minutes = None
    abandon_callback_in_minutes: Minutes = None

    when_unknown: Any = None
    """What to do with a message whose fate nobody can tell, by channel; not of NCX. Read it through `resend_after`."""
    guard: Any = None
    """The rates at which a run is paused; read it through `guarded_by`."""
    audience: Any = None
    """Who it is for; read it through `meant_for`."""
    schedule: Any = None
    """When it starts; read it through `starts_by`."""
    triggers: Any = None
    """Which queue events bring people in; read it through `enters_on`."""
    cancel_on: Any = None
    """Which take them out again; read it through `leaves_on`."""

    @field_validator("caller_id")
    @classmethod
    def _caller_id(cls, value: str, info: ValidationInfo) -> str:
        """A number in E.164; anything else is an id, and stays one."""
        digits = sum(character.isdigit() for character in value)
        if not value or any(character.isalpha() for character in value) or not digits:
            return value
        return sender_e164(value, _region(info))

    @field_validator("sms_from_address")
    @classmethod
    def _sms_from_address(cls, value: str, info: ValidationInfo) -> str:
        return to_sms_sender(value, _region(info)) if value else value

    @cached_property
    def channels(self) -> frozenset[ChannelKind]:
        """The channels its messages may use."""
        switches = {
            ChannelKind.SMS: self.use_for_sms,
            ChannelKind.EMAIL: self.use_for_email,
            ChannelKind.VOICE: self.use_for_outbound,
        }
        return frozenset(channel for channel, on in switches.items() if on)

    def sender(self, channel: ChannelKind) -> str:
        """What messages on this channel come from; "" where it has none."""
        match channel:
            case ChannelKind.SMS:
                return self.sms_from_address
            case ChannelKind.EMAIL:
                return self.email_from_address
            case ChannelKind.VOICE:
                return self.caller_id

    @cached_property
    def offered_dispositions(self) -> frozenset[str]:
        """The ids (or codes, or names) of the dispositions its outcomes may be filed under besides the system's."""
        return frozenset(references(self.dispositions, "dispositionId"))

    @cached_property
    def supervisors(self) -> tuple[str, ...]:
        """User ids."""
        return references(self.supervisor, "userId")

    @cached_property
    def email_account_ids(self) -> tuple[str, ...]:
        """The sender pool, in order."""
        return references(self.email_accounts, "emailAccountId")

    @cached_property
    def result_dispositions(self) -> Mapping[str, str]:
        """Which disposition of its own the campaign names for which outcome of a call."""
        named = {
            "VOICE_HUMAN": self.human_disposition_id,
            "VOICE_BUSY": self.busy_disposition_id,
            "VOICE_NO_ANSWER": self.no_answer_disposition_id,
            "VOICE_MACHINE": self.answering_machine_disposition_id,
            "VOICE_MACHINE_LEFT": self.answering_machine_disposition_id,
            "VOICE_INVALID": self.invalid_disposition_id,
            "VOICE_ABANDONED": self.abandon_disposition_id,
            "VOICE_FAX": self.fax_disposition_id,
        }
        return {code: reference for code, reference in named.items() if reference}

    @cached_property
    def callback_seconds(self) -> Mapping[str, int]:
        """How long after which outcome of a call the campaign wants it tried again."""
        minutes = {
            "VOICE_BUSY": self.busy_callback_in_minutes,
            "VOICE_NO_ANSWER": self.no_answer_callback_in_minutes,
            "VOICE_MACHINE": self.answering_machine_callback_in_minutes,
            "VOICE_MACHINE_LEFT": self.answering_machine_callback_in_minutes,
            "VOICE_ABANDONED": self.abandon_callback_in_minutes,
        }
        return {code: round(60 * value) for code, value in minutes.items() if value}

    @cached_property
    def resend_after(self) -> Mapping[ChannelKind, timedelta | None]:
        """The silence after which a message of unknown fate is sent again, by channel; None: it is held.

        A channel the campaign does not name is missing.
        """
        return read_policy(self.when_unknown)[0]

    @cached_property
    def guarded_by(self) -> Guard:
        """The bounds its runs may not cross."""
        return read_guard(self.guard)[0]

    @cached_property
    def meant_for(self) -> Audience:
        """Its audience, where a launch names none."""
        return read_audience(self.audience)[0]

    @cached_property
    def starts_by(self) -> Schedule | None:
        """Its schedule; None: it starts when somebody starts it."""
        return read_schedule(self.schedule)[0]

    @cached_property
    def enters_on(self) -> tuple[Trigger, ...]:
        """The triggers, in order."""
        return read_triggers(self.triggers)[0]

    @cached_property
    def leaves_on(self) -> tuple[CancelRule, ...]:
        """What ends somebody's enrollment from outside."""
        return read_cancel_on(self.cancel_on)[0]

    def rules(self) -> Iterator[Fault]:
        yield from super().rules()
        yield from required(self, "name", "workflowId")
        yield from (fault.under("whenUnknown") for fault in read_policy(self.when_unknown)[1])
        yield from (fault.under("guard") for fault in read_guard(self.guard)[1])
        yield from (fault.under("audience") for fault in read_audience(self.audience)[1])
        yield from (fault.under("schedule") for fault in read_schedule(self.schedule)[1])
        if self.triggers and self.starts_by:
            yield Fault(("schedule",), "is for a campaign that starts, triggers for one that listens", "make it two")
        yield from (fault.under("triggers") for fault in read_triggers(self.triggers)[1])
        yield from (fault.under("cancelOn") for fault in read_cancel_on(self.cancel_on)[1])
        for channel, flag, key, example in _SENDERS:
            if channel in self.channels and not self.sender(channel):
                yield Fault(
                    (key,), f"is required while {flag} is on", f"add {key}, like {example}, or set {flag} to false"
                )
        if ChannelKind.VOICE in self.channels and self.caller_id and not E164.fullmatch(self.caller_id):
            yield Fault(
                ("callerId",), "must be a phone number while useForOutbound is on", "write it like +18885551212"
            )
        for flag, on in (
            ("useForPredictive", self.use_for_predictive),
            ("useForProgressive", self.use_for_progressive),
        ):
            if on and not self.use_for_outbound:
                yield Fault((flag,), "needs useForOutbound", f"set useForOutbound to true, or {flag} to false")
        if self.use_for_predictive and self.type is CampaignType.PERSONAL:
            yield Fault(("useForPredictive",), "a PERSONAL campaign does not dial predictively", "set it to false")
        if self.use_for_progressive and self.type is CampaignType.PERSONAL:
            yield Fault(("useForProgressive",), "a PERSONAL campaign does not dial progressively", "set it to false")


_SENDERS: Final = (
    (ChannelKind.SMS, "useForSMS", "smsFromAddress", "+18885551212"),
    (ChannelKind.EMAIL, "useForEmail", "emailFromAddress", "renewals@example.com"),
    (ChannelKind.VOICE, "useForOutbound", "callerId", "+18885551212"),
)


def _region(info: ValidationInfo) -> str:
    return str((info.context or {}).get("region", "US"))
