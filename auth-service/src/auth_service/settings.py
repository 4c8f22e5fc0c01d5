"""What auth-service reads from the environment."""

import base64
import binascii
from datetime import timedelta
from email.utils import parseaddr
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from chassis.settings import GrpcServiceSettings
from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from auth_service.domain.audit_retention import YEARS_MIN_STRICT
from auth_service.domain.session import STANDARD, STRICT, SessionLimits
from auth_service.domain.verified_address import VerifiedAddressRule

_MASTER_KEY_BYTES = 32
_DIFFERENT_BYTES_MIN = 16
_POSTGRES_URL = Field(
    description="where the schema `auth` is, with the runtime role: postgresql://auth_service:…@host/database"
)
_OWNERS_POSTGRES_URL = Field(
    description="where the schema `auth` is, with its owner's role: postgresql://auth_owner:…@host/database"
)
_SMTP_SCHEMES = ("smtp", "smtps", "smtp+starttls")
_KEY_PUBLISH_SECONDS = Field(
    default=900.0,
    ge=1.0,
    le=86_400.0,
    description="how long a signing key is published before it signs, in seconds;"
    " longer than verifiers may keep the published keys, which is 6 minutes",
)


def _is_a_master_key(value: SecretStr) -> SecretStr:
    try:
        raw = base64.b64decode(value.get_secret_value(), validate=True)
    except binascii.Error as error:
        raise ValueError("it is not base64") from error
    if len(raw) != _MASTER_KEY_BYTES:
        raise ValueError(f"it holds {len(raw)} bytes, not {_MASTER_KEY_BYTES}")
    return value


_YEARS_HINT = "how many years audit entries are kept, for ever when not set; 6 or more in the strict profile"
_AUDIT_RETENTION_YEARS = Field(default=None, ge=1, le=100, description=_YEARS_HINT)
_TOO_SHORT = (
    f"AUTH_AUDIT_RETENTION_YEARS is less than {YEARS_MIN_STRICT}, the years that the audit is to be kept"
)

MasterKeyText = Annotated[SecretStr, AfterValidator(_is_a_master_key)]
"""32 secret bytes in base64."""


class AuthSettings(GrpcServiceSettings):
    """The settings of the serving process."""

    model_config = SettingsConfigDict(env_prefix="AUTH_")

    postgres_url: SecretStr = _POSTGRES_URL
    postgres_pool_size: int = Field(default=10, ge=2, le=100, description="most connections to Postgres")
    master_key: MasterKeyText = Field(
        description="32 secret bytes in base64, which seal the signing keys: `openssl rand -base64 32`"
    )
    key_rotation_days: float = Field(
        default=30.0, gt=0.0, le=366.0, description="how long a signing key signs before the next one does"
    )
    key_publish_seconds: float = _KEY_PUBLISH_SECONDS
    audit_head_seconds: float = Field(
        default=10.0,
        ge=0.1,
        le=60.0,
        description="how often the head of the audit chain is signed, at least once a minute",
    )
    audit_retention_years: int | None = _AUDIT_RETENTION_YEARS
    witness_address: str | None = Field(
        default=None,
        description="where health-aggregator, which witnesses the audit, answers gRPC, as host:port",
    )
    issuer: str = Field(description="the `iss` of access tokens: the gateway's public URL")
    audience: str = Field(default="vestibule", description="the `aud` of access tokens")
    users_address: str = Field(description="where user-service answers gRPC, as host:port")
    hash_workers: int | None = Field(
        default=None, ge=1, le=256, description="threads that hash passwords; one a usable core when not set"
    )
    hash_queue: int = Field(default=8, ge=0, le=1_000, description="passwords that may wait for each thread")
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
    mail_dir: Path | None = Field(
        default=None, description="folder that mails go to as `.eml` files while there is no SMTP_URL"
    )
    mail_from: str = Field(
        default="Vestibule <no-reply@vestibule.localhost>", description="who mails are from"
    )
    public_url: str | None = Field(
        default=None,
        validation_alias="PUBLIC_URL",
        description="where links in mails lead; the issuer when not set",
    )
    verified_email: Literal["on", "off"] = Field(
        default="on",
        description="`on`: API keys, passkeys and a second factor can be set up on a proven e-mail address"
        " only; `off` where no mail can be sent",
    )
    passkey_origins: Annotated[tuple[str, ...], NoDecode] = Field(
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
        default=None, description="the name that people see beside their passkey; MAIL_FROM's when not set"
    )

    @field_validator("passkey_origins", mode="before")
    @classmethod
    def _split_list(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("passkey_origins")
    @classmethod
    def _are_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            parts = urlsplit(origin)
            if parts.scheme not in ("http", "https") or origin != f"{parts.scheme}://{parts.netloc}":
                raise ValueError(f"{origin!r} is not an origin, which is scheme://host or scheme://host:port")
        return value

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
        if self.is_strict and len(set(self.master_key_bytes)) < _DIFFERENT_BYTES_MIN:
            found.append("AUTH_MASTER_KEY is not safe: it was not drawn at random: `openssl rand -base64 32`")
        if self.is_strict and not self.issuer.startswith("https://"):
            found.append("AUTH_ISSUER is not an https:// URL: links in mails and the tokens' issuer need one")
        if self.is_strict and _is_too_short(self.audit_retention_years):
            found.append(_TOO_SHORT)
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
    def key_rotation(self) -> timedelta:
        """How long a signing key signs."""
        return timedelta(days=self.key_rotation_days)

    @property
    def master_key_bytes(self) -> bytes:
        """The master key itself."""
        return base64.b64decode(self.master_key.get_secret_value())


class KeySettings(BaseSettings):
    """The settings of `python -m auth_service keys`."""

    model_config = SettingsConfigDict(env_prefix="AUTH_", frozen=True, extra="ignore", env_ignore_empty=True)

    postgres_url: SecretStr = _POSTGRES_URL
    master_key: MasterKeyText = Field(description="32 secret bytes in base64, which seal the signing keys")
    key_publish_seconds: float = _KEY_PUBLISH_SECONDS

    @property
    def master_key_bytes(self) -> bytes:
        """The master key itself."""
        return base64.b64decode(self.master_key.get_secret_value())


class MigrationSettings(BaseSettings):
    """The settings of `python -m auth_service migrate`."""

    model_config = SettingsConfigDict(env_prefix="AUTH_", frozen=True, extra="ignore", env_ignore_empty=True)

    migration_postgres_url: SecretStr = _OWNERS_POSTGRES_URL


def _is_too_short(years: int | None) -> bool:
    return years is not None and years < YEARS_MIN_STRICT


class _ChainSettings(BaseSettings):
    """What walking the audit chain needs, whoever walks it."""

    model_config = SettingsConfigDict(env_prefix="AUTH_", frozen=True, extra="ignore", env_ignore_empty=True)

    profile: Literal["standard", "strict"] = Field(default="standard", validation_alias="PROFILE")
    master_key: MasterKeyText | None = Field(
        default=None, description="32 secret bytes in base64, which tell our signing keys from others"
    )
    audit_retention_years: int | None = _AUDIT_RETENTION_YEARS

    @field_validator("audit_retention_years")
    @classmethod
    def _is_long_enough(cls, years: int | None, others: ValidationInfo) -> int | None:
        if others.data.get("profile") == "strict" and _is_too_short(years):
            raise ValueError(_TOO_SHORT)
        return years

    @property
    def master_key_bytes(self) -> bytes | None:
        """The master key itself; None when it is not set."""
        return None if self.master_key is None else base64.b64decode(self.master_key.get_secret_value())


class AuditSettings(_ChainSettings):
    """The settings of `python -m auth_service audit verify` and `export`."""

    postgres_url: SecretStr = _POSTGRES_URL


class PruneSettings(_ChainSettings):
    """The settings of `python -m auth_service audit prune`."""

    migration_postgres_url: SecretStr = _OWNERS_POSTGRES_URL
    audit_retention_years: int = Field(ge=1, le=100, description=_YEARS_HINT)


class ProvisionSettings(BaseSettings):
    """The settings of `python -m auth_service provision`."""

    model_config = SettingsConfigDict(env_prefix="AUTH_", frozen=True, extra="ignore", env_ignore_empty=True)

    admin_postgres_url: SecretStr = Field(
        description="the database, with a role that may create roles and schemas"
    )
    owner_password: SecretStr = Field(description="the password that auth_owner gets")
    runtime_password: SecretStr = Field(description="the password that auth_service gets")
