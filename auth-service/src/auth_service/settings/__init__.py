"""What auth-service reads from the environment: here the serving process, in `commands` the others."""

from datetime import timedelta
from email.utils import parseaddr
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from chassis.grpc.value_checks import is_email
from chassis.master_keys import (
    MASTER_KEYS_ACCEPTED,
    MasterKeysText,
    MasterKeyText,
    master_keys,
    was_drawn_at_random,
)
from chassis.pages.catalog import FALLBACK
from chassis.setting_types import GrpcAddress, HttpUrl, Origin, comma_separated
from chassis.settings import GrpcServiceSettings
from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from auth_service.domain.notices import SignInNotices
from auth_service.domain.session import STANDARD, STRICT, SessionLimits
from auth_service.domain.verified_email import VerifiedAddressRule
from auth_service.languages.catalog import catalogs
from auth_service.settings.commands import (
    AuditSettings,
    KeySettings,
    PruneSettings,
)
from auth_service.settings.fields import (
    AUDIT_RETENTION_YEARS,
    KEY_PUBLISH_SECONDS,
    POSTGRES_URL,
    TOO_SHORT,
    is_too_short,
)

__all__ = [
    "AuditSettings",
    "AuthSettings",
    "KeySettings",
    "PruneSettings",
]

_SMTP_SCHEMES = ("smtp", "smtps", "smtp+starttls")


class AuthSettings(GrpcServiceSettings):
    """The settings of the serving process."""

    model_config = SettingsConfigDict(env_prefix="AUTH_")

    postgres_url: SecretStr = POSTGRES_URL
    postgres_pool_size: int = Field(default=10, ge=2, le=100, description="most connections to Postgres")
    master_key: MasterKeyText = Field(
        description="32 secret bytes in base64, which seal the signing keys: `openssl rand -base64 32`"
    )
    master_keys_accepted: MasterKeysText | None = MASTER_KEYS_ACCEPTED
    key_rotation_days: float = Field(
        default=30.0, gt=0.0, le=366.0, description="how long a signing key signs before the next one does"
    )
    key_publish_seconds: float = KEY_PUBLISH_SECONDS
    audit_head_seconds: float = Field(
        default=10.0,
        ge=0.1,
        le=60.0,
        description="how often the head of the audit chain is signed, at least once a minute",
    )
    audit_retention_years: int | None = AUDIT_RETENTION_YEARS
    witness_address: GrpcAddress | None = Field(
        default=None,
        description="where health-aggregator, which witnesses the audit, answers gRPC, as host:port",
    )
    issuer: HttpUrl = Field(description="the `iss` of access tokens: the gateway's public URL")
    audience: str = Field(default="vestibule", description="the `aud` of access tokens")
    users_address: GrpcAddress = Field(description="where user-service answers gRPC, as host:port")
    knowledge_address: GrpcAddress | None = Field(
        default=None,
        description="where knowledge-service answers gRPC, as host:port; not set where it is off",
    )
    hash_workers: int | None = Field(
        default=None, ge=1, le=256, description="threads that hash passwords; one a usable core when not set"
    )
    hash_queue: int = Field(
        default=32, ge=0, le=1_000, description="passwords that may wait for each thread, at most"
    )
    argon2_memory_kib: int = Field(default=19_456, ge=19_456, description="Argon2id's memory, in KiB")
    argon2_time_cost: int = Field(default=2, ge=2, description="Argon2id's passes")
    bootstrap_admin_email: str | None = Field(
        default=None, validation_alias="BOOTSTRAP_ADMIN_EMAIL", description="the first admin's address"
    )
    bootstrap_admin_password: SecretStr | None = Field(
        default=None,
        validation_alias="BOOTSTRAP_ADMIN_PASSWORD",
        min_length=8,
        max_length=128,
        description="the first admin's password, 8 to 128 characters",
    )

    smtp_url: SecretStr | None = Field(
        default=None,
        validation_alias="SMTP_URL",
        description="where mails go: smtp://, smtps:// or smtp+starttls://user:password@host:port",
    )
    smtp_ca_file: Path | None = Field(
        default=None,
        validation_alias="SMTP_CA_FILE",
        description="PEM file of who signs the mail server's certificate, if no authority of this machine",
    )
    mail_dir: Path | None = Field(
        default=None, description="folder that mails go to as `.eml` files while there is no SMTP_URL"
    )
    mail_from: str = Field(
        default="Vestibule <no-reply@vestibule.localhost>", description="who mails are from"
    )
    mail_language: str = Field(
        default=FALLBACK,
        description="the language of mails to users who prefer none that there is, as a file of"
        " `auth_service/languages` is called",
    )
    public_url: HttpUrl | None = Field(
        default=None,
        validation_alias="PUBLIC_URL",
        description="where links in mails lead; the issuer when not set",
    )
    verified_email: Literal["on", "off"] = Field(
        default="on",
        description="`on`: API keys, passkeys and a second factor can be set up on a proven e-mail address"
        " only; `off` where no mail can be sent",
    )
    notify_second_factor_guesses: Literal["on", "off"] = Field(
        default="on",
        description="whether users are mailed when a client has their password and fails the second factor"
        " five times",
    )
    notify_new_device: Literal["on", "off"] = Field(
        default="on", description="whether users are mailed when a new device signs in to their account"
    )
    breached_passwords_file: Path | None = Field(
        default=None,
        description="file of breached passwords as Have I Been Pwned's downloader writes it: a line `SHA-1`"
        " or `SHA-1:COUNT` each, in ascending order",
    )
    breached_passwords_url: str | None = Field(
        default=None,
        description="service of breached passwords that is asked by the first 5 hex digits of a SHA-1:"
        " https://api.pwnedpasswords.com/range/",
    )
    passkey_origins: Annotated[tuple[Origin, ...], NoDecode] = Field(
        default=(),
        description="origins that passkeys may be used from, such as https://app.example, separated by"
        " commas; the public URL's when not set",
    )
    passkey_rp_id: str | None = Field(
        default=None,
        description="the domain that passkeys are bound to, for good: that of the origins or one above them;"
        " the first origin's when not set",
    )
    passkey_rp_name: str | None = Field(
        default=None, description="the name that users see beside their passkey; MAIL_FROM's when not set"
    )

    _split_list = comma_separated("passkey_origins")

    @field_validator("bootstrap_admin_email")
    @classmethod
    def _is_an_address_to_sign_in_with(cls, value: str | None) -> str | None:
        if value is not None and not is_email(value):
            raise ValueError("it is not an e-mail address, so that no one could sign in with it")
        return value

    @field_validator("breached_passwords_url")
    @classmethod
    def _is_a_folder_of_ranges(cls, value: str | None) -> str | None:
        if value is None:
            return value
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise ValueError("it is not https://host/path/, without a user")
        if parts.query or parts.fragment:
            raise ValueError("5 hex digits are put at its end, so it has neither ? nor #")
        return value.rstrip("/") + "/"

    @field_validator("smtp_url")
    @classmethod
    def _is_a_mail_server(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return value
        parts = urlsplit(value.get_secret_value())
        if parts.scheme not in _SMTP_SCHEMES or not parts.hostname:
            raise ValueError(f"it is not {' or '.join(f'{name}://host:port' for name in _SMTP_SCHEMES)}")
        if parts.port == 0:
            raise ValueError("0 is not a port")
        return value

    @field_validator("mail_language")
    @classmethod
    def _has_a_catalog(cls, value: str) -> str:
        if value not in catalogs():
            raise ValueError(f"there is no such language: use {' or '.join(catalogs())}")
        return value

    @field_validator("mail_from")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        if "@" not in parseaddr(value)[1]:
            raise ValueError("it is not `Name <address@domain>`")
        return value

    @model_validator(mode="after")
    def _binds_passkeys_to_its_origins(self) -> "AuthSettings":
        hosts = [urlsplit(origin).hostname or "" for origin in self.passkey_origins]
        domain = self.passkey_rp_id or next(iter(hosts), "")
        for host in hosts:
            if host != domain and not host.endswith(f".{domain}"):
                raise ValueError(
                    f"AUTH_PASSKEY_RP_ID {domain!r} is not the domain of {host!r} or one above it:"
                    " browsers would refuse"
                )
        return self

    @model_validator(mode="after")
    def _bootstraps_wholly(self) -> "AuthSettings":
        if (self.bootstrap_admin_email is None) != (self.bootstrap_admin_password is None):
            raise ValueError(
                "BOOTSTRAP_ADMIN_EMAIL and BOOTSTRAP_ADMIN_PASSWORD go together: set both or none"
            )
        return self

    @model_validator(mode="after")
    def _rotates_slower_than_it_publishes(self) -> "AuthSettings":
        if self.key_rotation.total_seconds() <= self.key_publish_seconds:
            raise ValueError("AUTH_KEY_ROTATION_DAYS has to be longer than AUTH_KEY_PUBLISH_SECONDS")
        return self

    def shortcomings(self) -> list[str]:
        """Returns what the strict profile refuses about these settings, a line each."""
        found = super().shortcomings()
        for position, key in enumerate(self.master_keys if self.is_strict else ()):
            if not was_drawn_at_random(key):
                name = "AUTH_MASTER_KEYS_ACCEPTED" if position else "AUTH_MASTER_KEY"
                found.append(f"{name} is not safe: it was not drawn at random: `openssl rand -base64 32`")
        if self.is_strict and not self.issuer.startswith("https://"):
            found.append("AUTH_ISSUER is not an https:// URL: links in mails and the tokens' issuer need one")
        if self.is_strict and (self.public_url or "").lower().startswith("http:"):
            found.append("PUBLIC_URL is not an https:// URL: links in mails lead there")
        if self.is_strict and any(origin.lower().startswith("http:") for origin in self.passkey_origins):
            found.append("AUTH_PASSKEY_ORIGINS has an origin without https://: pages there could be changed")
        if self.is_strict and (self.breached_passwords_url or "").lower().startswith("http:"):
            found.append("AUTH_BREACHED_PASSWORDS_URL is not an https:// URL: answers could be changed")
        if self.is_strict and is_too_short(self.audit_retention_years):
            found.append(TOO_SHORT)
        return found

    @property
    def limits(self) -> SessionLimits:
        """How long sessions and their tokens last."""
        return STRICT if self.is_strict else STANDARD

    @property
    def address_rule(self) -> VerifiedAddressRule:
        """Whether another way in can be set up on a proven address only."""
        return VerifiedAddressRule(self.verified_email == "on")

    @property
    def notices(self) -> SignInNotices:
        """Which sign-ins users are notified of by mail."""
        return SignInNotices(
            second_factor_guesses=self.notify_second_factor_guesses == "on",
            new_device=self.notify_new_device == "on",
        )

    @property
    def product(self) -> str:
        """What users know the system as, on pages and beside their passkeys."""
        return self.passkey_rp_name or parseaddr(self.mail_from)[0] or "Vestibule"

    @property
    def key_rotation(self) -> timedelta:
        """How long a signing key signs."""
        return timedelta(days=self.key_rotation_days)

    @property
    def master_keys(self) -> tuple[bytes, ...]:
        """The master key itself, and others that are accepted."""
        return master_keys(self.master_key, self.master_keys_accepted)
