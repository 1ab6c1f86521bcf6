"""Settings, from the environment and from `.env`, with their units. Secrets come from nowhere else.

1. A setting that is missing or wrong is reported by its name, all at once, before anything starts.
2. The same build talks to the sandbox, to another emulator or to the vendors: only base URLs and credentials differ.
"""

import re
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from channels.messages import ChannelKind, is_email
from worker.domain.addresses import REGIONS
from worker.engine.calendar import zone_of
from worker.engine.settlement import SettlementOptions
from worker.runtime.webhook import key_of
from worker.store.rows import Rate

_REDIS: Final = frozenset({"redis", "rediss", "redis+socket", "sentinel"})


_SHORTEST_DOUBT_SECONDS = 30.0
"""A provider's list may lag behind what it has taken; absence must not be believed before it has caught up."""


class BadSettings(Exception):
    """Settings are missing or wrong; the text names each one and the remedy."""


class Settings(BaseSettings):
    """Everything that differs from one installation to the next. Environment names are the upper-case field names."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True)

    data_dir: Path = Path(".campaigns")
    database_url: str = Field(default_factory=lambda data: f"sqlite:///{data['data_dir'] / 'campaigns.db'}")
    redis_url: str = "redis://127.0.0.1:6379/0"
    public_url: str = Field(default="http://127.0.0.1:8080", description="where providers reach our HTTP process")
    tenant_id: str = "default"
    campaigns_token: SecretStr = Field(default=SecretStr(""), description="commands may do what this API token may")
    default_region: str = Field(default="US", description="ISO 3166 country of numbers written without one")
    default_timezone: str = "UTC"

    twilio_account_sid: str = ""
    twilio_auth_token: SecretStr = SecretStr("")
    twilio_auth_token_secondary: SecretStr = Field(
        default=SecretStr(""), description="the other token during a rotation"
    )
    twilio_base_url: str = "https://api.twilio.com"
    sendgrid_api_key: SecretStr = SecretStr("")
    sendgrid_base_url: str = "https://api.sendgrid.com"
    sendgrid_webhook_public_key: str = Field(default="", description="base64 DER; several separated by commas")

    http_timeout_seconds: float = Field(default=15.0, gt=0, le=15, description="one provider call, in all")
    http_connect_timeout_seconds: float = Field(default=3.0, gt=0, le=15)
    slice_size: int = Field(default=250, ge=1, le=1000, description="texts or calls in one intent commit")
    lanes: int = Field(default=2, ge=1, le=8, description="slices under way at once per process")
    email_slice_size: int = Field(default=1000, ge=1, le=1000, description="mails per intent commit and request")
    step_size: int = Field(default=500, ge=1, le=5000, description="enrollments claimed and stepped at once")
    lease_seconds: float = Field(default=90.0, gt=0, description="how long a claim lasts; longer than any task")
    inbox_lease_seconds: float = Field(default=30.0, gt=0, description="until news a dead worker held is taken again")
    sms_per_second: float = Field(default=100.0, gt=0, description="per sender")
    email_per_second: float = Field(default=10_000.0, gt=0, description="per sender")
    calls_per_second: float = Field(default=1.0, gt=0, description="per account; Twilio queues what exceeds it")

    outcome_deadline_seconds: float = Field(default=6 * 3600.0, gt=0, description="wait for a final receipt this long")
    quiet_seconds: float = Field(default=120.0, gt=0, description="wait for a receipt before asking the provider")
    second_look_seconds: float = Field(
        default=60.0, gt=0, description="between two questions that must agree on absence"
    )
    email_resend_after_seconds: float | None = Field(
        default=None, description="resend a mail of unknown fate after this silence; unset: hold it for a person"
    )

    alert_email_from: str = Field(default="", description="sender of alerts; unset: the campaign's own")
    alert_webhook_url: str = Field(default="", description="alerts are posted there, signed")
    alert_webhook_secret: SecretStr = Field(default=SecretStr(""), description="whsec_ and base64 of 24 bytes or more")

    audience_largest: int = Field(default=0, ge=0, description="people an audience may have; 0: no limit")
    event_stream: str = Field(default="campaigns:events", description="Redis Stream that events are read from")
    news_days: int = Field(default=90, ge=7, le=3660, description="what providers wrote to us is kept this long")
    event_key_days: int = Field(default=365, ge=1, le=3660, description="keys of events are remembered this long")

    api_requests_per_second: float = Field(default=100.0, ge=0, description="per token and web process; 0: no limit")
    api_burst: int = Field(default=200, ge=1, description="requests a token that has rested may make at once")

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_json: bool = False

    @field_validator("redis_url")
    @classmethod
    def _names_redis(cls, url: str) -> str:
        if urlsplit(url).scheme not in _REDIS:
            raise ValueError("write it like redis://host:6379/0, rediss://host:6380/0 or redis+socket:///path")
        return url

    @field_validator("public_url", "twilio_base_url", "sendgrid_base_url")
    @classmethod
    def _is_web_address(cls, url: str) -> str:
        if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
            raise ValueError("write it like https://host")
        if urlsplit(url).username is not None:
            raise ValueError("leave out the user name and password")
        if not re.fullmatch(r"[!-~]+", url):
            raise ValueError("write what is not ASCII as a browser does: %C3%BC for ü, xn-- in a host")
        return url

    @field_validator("alert_webhook_url")
    @classmethod
    def _is_web_address_if_set(cls, url: str) -> str:
        return cls._is_web_address(url) if url else url

    @field_validator("alert_email_from")
    @classmethod
    def _is_mail_address_if_set(cls, address: str) -> str:
        if address and not is_email(address):
            raise ValueError("write it like alerts@example.com")
        return address

    @field_validator("default_region")
    @classmethod
    def _is_region(cls, region: str) -> str:
        if region not in REGIONS:
            raise ValueError("write two letters of ISO 3166, like US or GB")
        return region

    @field_validator("default_timezone")
    @classmethod
    def _is_zone(cls, name: str) -> str:
        if zone_of(name) is None:
            raise ValueError("write it like America/New_York")
        return name

    @model_validator(mode="after")
    def _times_fit(self) -> Self:
        """A send ends within two timeouts and a task within its limit; no claim may end before, no doubt too early."""
        if self.lease_seconds < 2 * self.http_timeout_seconds + 5:
            raise ValueError("a claim must outlive a send; make LEASE_SECONDS twice HTTP_TIMEOUT_SECONDS and 5 more")
        if not self.rehearsal and min(self.quiet_seconds, self.second_look_seconds) < _SHORTEST_DOUBT_SECONDS:
            least = f"make QUIET_SECONDS and SECOND_LOOK_SECONDS at least {_SHORTEST_DOUBT_SECONDS:g}"
            raise ValueError(f"real providers need time before absence is believed; {least}")
        return self

    @model_validator(mode="after")
    def _alerts_are_signed(self) -> Self:
        if self.alert_webhook_url:
            try:
                key_of(self.alert_webhook_secret.get_secret_value())
            except ValueError as error:
                raise ValueError(f"ALERT_WEBHOOK_URL needs ALERT_WEBHOOK_SECRET; {error}") from None
        return self

    @property
    def rehearsal(self) -> bool:
        """Whether both providers are on this machine, so that nobody real can be reached."""
        return all(_is_loopback(url) for url in (self.twilio_base_url, self.sendgrid_base_url))

    @property
    def lease(self) -> timedelta:
        """How long a claim lasts."""
        return timedelta(seconds=self.lease_seconds)

    @property
    def patience(self) -> SettlementOptions:
        """How long to wait for receipts, and before the provider is asked."""
        resend = self.email_resend_after_seconds
        return SettlementOptions(
            outcome_deadline=timedelta(seconds=self.outcome_deadline_seconds),
            quiet=timedelta(seconds=self.quiet_seconds),
            second_look=timedelta(seconds=self.second_look_seconds),
            resend_after={ChannelKind.EMAIL: None if resend is None else timedelta(seconds=resend)},
        )

    def rate_of(self, kind: ChannelKind) -> Rate:
        """How fast messages of this kind may leave. Twilio counts texts per sender, calls per account."""
        match kind:
            case ChannelKind.SMS:
                return Rate(per_second=self.sms_per_second)
            case ChannelKind.EMAIL:
                return Rate(per_second=self.email_per_second)
            case ChannelKind.VOICE:
                return Rate(per_second=self.calls_per_second, per_account=True)


def load_settings() -> Settings:
    """Read the environment. Raises BadSettings naming every setting that is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        lines = [": ".join([*_named(fault["loc"]), _sentence(fault["msg"])]) for fault in error.errors()]
        raise BadSettings("; ".join(lines)) from None


def missing_credentials(settings: Settings, channels: frozenset[ChannelKind]) -> list[str]:
    """What must be set before these channels can send; empty when all is there."""
    missing = []
    if channels & {ChannelKind.SMS, ChannelKind.VOICE}:
        if not settings.twilio_account_sid:
            missing.append("TWILIO_ACCOUNT_SID")
        if not settings.twilio_auth_token.get_secret_value():
            missing.append("TWILIO_AUTH_TOKEN")
    if ChannelKind.EMAIL in channels and not settings.sendgrid_api_key.get_secret_value():
        missing.append("SENDGRID_API_KEY")
    return missing


def _named(place: tuple[int | str, ...]) -> list[str]:
    """The setting a fault belongs to; none where it belongs to several, which the sentence names."""
    return [str(part).upper() for part in place[:1]]


def _sentence(message: str) -> str:
    """What pydantic says, as a part of a sentence."""
    message = message.removeprefix("Value error, ")
    return message[:1].lower() + message[1:]


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
