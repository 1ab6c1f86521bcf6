"""A disposition document: what a tenant calls an outcome, and what shall follow from it."""

from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from typing import Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from worker.domain.base import Document, Texts, closest, required
from worker.domain.dispositions import SYSTEM, Category, DispositionRule, RetryRule, RetryScope
from worker.domain.faults import Fault


class DispositionAction(StrEnum):
    """What NCX does when a disposition is set."""

    NONE = ""
    TENANT_DNC = "TenantDNC"
    ANSWERING_MACHINE = "answeringMachine"
    NO_ANSWER = "noAnswer"
    BUSY = "busy"
    FAX = "fax"
    INVALID_NUMBER = "invalidNumber"
    CONNECTED_CALLBACK = "connectedCallback"
    CONNECTED_PERSONAL_CALLBACK = "connectedPersonalCallback"
    CONNECTED_HANDLED = "connectedHandled"


class Retry(BaseModel):
    """`retry` of a disposition: try the same address again after a while."""

    model_config = ConfigDict(extra="allow", frozen=True, alias_generator=to_camel)

    enabled: bool = True
    delay_seconds: int = Field(default=3600, ge=60)
    max_attempts: int = Field(default=3, ge=1)
    backoff: float = Field(default=1.0, ge=1, le=10)
    scope: RetryScope = RetryScope.ADDRESS

    def rule(self) -> RetryRule | None:
        if not self.enabled:
            return None
        return RetryRule(
            delay_seconds=self.delay_seconds,
            max_attempts=self.max_attempts,
            backoff=self.backoff,
            scope=self.scope,
        )


class Disposition(Document):
    """A disposition of the tenant's own.

    `code` is the stable key that workflows and reports use; without one the name is it. `systemCodes` are the outcomes
    filed under it. What it leaves open (`category`, `resolved`, `retry`, …) is as the system has it for the outcome.
    """

    TYPE: ClassVar[str] = "disposition"

    disposition_id: str = ""
    code: str = Field(default_factory=lambda fields: _code(fields.get("name", "")))
    localizations: dict[str, Any] = Field(default_factory=dict)
    category: Category | None = None
    action: DispositionAction = DispositionAction.NONE
    system_codes: Texts = ()
    resolved: bool | None = None
    connect_again: bool = False
    retry: Retry | None = None
    block_number: bool = False
    use_campaign_id_for_dnc: bool = Field(default=False, alias="useCampaignIdForDNC")
    number_uncallable: bool = False
    contact_uncallable: bool = False
    right_party: bool = False
    counts_as_attempt: bool | None = None
    system: bool = False

    @property
    def names(self) -> frozenset[str]:
        """Everything a campaign or a workflow may call it."""
        return frozenset({self.code, self.disposition_id, self.object_id, self.name} - {""})

    def rules(self) -> Iterator[Fault]:
        yield from super().rules()
        yield from required(self, "name")
        if self.code in SYSTEM and not self.system:
            yield Fault(
                ("code",), f"{self.code} is a code of the system", "choose another one, and name it in systemCodes"
            )
        for index, code in enumerate(self.system_codes):
            if code not in SYSTEM:
                meant = closest(code, SYSTEM)
                hint = f"did you mean {meant}?" if meant else "see the list of system dispositions"
                yield Fault(("systemCodes", index), f"{code!r} is not an outcome of the system", hint)
        if self.resolved and self.retry and self.retry.enabled:
            yield Fault(("retry",), "a resolved outcome is not tried again", "remove retry, or set resolved to false")

    def rule(self, outcome: DispositionRule | None = None) -> DispositionRule:
        """What follows when it is set by a workflow or a person, or when `outcome` of the system is filed under it."""
        base = outcome or _BY_ACTION[self.action]
        retry = self.retry.rule() if self.retry else base.retry
        resolved = base.resolved if self.resolved is None else self.resolved
        counts = base.counts_as_attempt if self.counts_as_attempt is None else self.counts_as_attempt
        suppress = base.suppress or self.block_number or self.action is DispositionAction.TENANT_DNC
        uncallable = base.address_uncallable or self.number_uncallable or self.contact_uncallable
        # A message that may have left, or whose outcome is still open, is tried again under no name.
        ends = resolved or suppress or uncallable or base.category is Category.PENDING
        return replace(
            base,
            code=self.code,
            name=self.name,
            description=self.description,
            category=base.category if base.suppress else self.category or base.category,
            resolved=resolved,
            retry=None if ends else retry,
            counts_as_attempt=counts,
            suppress=suppress,
            address_uncallable=uncallable,
        )


def _code(name: str) -> str:
    """`Callback wanted` as a code: CALLBACK_WANTED."""
    return "_".join("".join(c if c.isalnum() else " " for c in name).upper().split())


_BY_ACTION: Final = {
    DispositionAction.NONE: DispositionRule(code="", name="", category=Category.CONTACTED, resolved=True),
    DispositionAction.TENANT_DNC: SYSTEM["SMS_OPTED_OUT"],
    DispositionAction.ANSWERING_MACHINE: SYSTEM["VOICE_MACHINE"],
    DispositionAction.NO_ANSWER: SYSTEM["VOICE_NO_ANSWER"],
    DispositionAction.BUSY: SYSTEM["VOICE_BUSY"],
    DispositionAction.FAX: SYSTEM["VOICE_FAX"],
    DispositionAction.INVALID_NUMBER: SYSTEM["VOICE_INVALID"],
    DispositionAction.CONNECTED_CALLBACK: SYSTEM["CALLBACK"],
    DispositionAction.CONNECTED_PERSONAL_CALLBACK: SYSTEM["PERSONAL_CALLBACK"],
    DispositionAction.CONNECTED_HANDLED: SYSTEM["VOICE_HUMAN"],
}
"""What a disposition means that is not the name of an outcome: a person's or a workflow's verdict."""
