"""What the commands of auth-service read from the environment."""

import base64
from typing import Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from auth_service.settings.fields import (
    AUDIT_RETENTION_YEARS,
    KEY_PUBLISH_SECONDS,
    OWNERS_POSTGRES_URL,
    POSTGRES_URL,
    TOO_SHORT,
    YEARS_HINT,
    MasterKeyText,
    is_too_short,
)


class KeySettings(BaseSettings):
    """The settings of `python -m auth_service keys`."""

    model_config = SettingsConfigDict(env_prefix="AUTH_", frozen=True, extra="ignore", env_ignore_empty=True)

    postgres_url: SecretStr = POSTGRES_URL
    master_key: MasterKeyText = Field(description="32 secret bytes in base64, which seal the signing keys")
    key_publish_seconds: float = KEY_PUBLISH_SECONDS

    @property
    def master_key_bytes(self) -> bytes:
        """The master key itself."""
        return base64.b64decode(self.master_key.get_secret_value())


class MigrationSettings(BaseSettings):
    """The settings of `python -m auth_service migrate`."""

    model_config = SettingsConfigDict(env_prefix="AUTH_", frozen=True, extra="ignore", env_ignore_empty=True)

    migration_postgres_url: SecretStr = OWNERS_POSTGRES_URL


class _ChainSettings(BaseSettings):
    """What walking the audit chain needs, whoever walks it."""

    model_config = SettingsConfigDict(env_prefix="AUTH_", frozen=True, extra="ignore", env_ignore_empty=True)

    profile: Literal["standard", "strict"] = Field(default="standard", validation_alias="PROFILE")
    master_key: MasterKeyText | None = Field(
        default=None, description="32 secret bytes in base64, which tell our signing keys from others"
    )
    audit_retention_years: int | None = AUDIT_RETENTION_YEARS

    @field_validator("audit_retention_years")
    @classmethod
    def _is_long_enough(cls, years: int | None, others: ValidationInfo) -> int | None:
        if others.data.get("profile") == "strict" and is_too_short(years):
            raise ValueError(TOO_SHORT)
        return years

    @property
    def master_key_bytes(self) -> bytes | None:
        """The master key itself; None when it is not set."""
        return None if self.master_key is None else base64.b64decode(self.master_key.get_secret_value())


class AuditSettings(_ChainSettings):
    """The settings of `python -m auth_service audit verify` and `export`."""

    postgres_url: SecretStr = POSTGRES_URL


class PruneSettings(_ChainSettings):
    """The settings of `python -m auth_service audit prune`."""

    migration_postgres_url: SecretStr = OWNERS_POSTGRES_URL
    audit_retention_years: int = Field(ge=1, le=100, description=YEARS_HINT)


class ProvisionSettings(BaseSettings):
    """The settings of `python -m auth_service provision`."""

    model_config = SettingsConfigDict(env_prefix="AUTH_", frozen=True, extra="ignore", env_ignore_empty=True)

    admin_postgres_url: SecretStr = Field(
        description="the database, with a role that may create roles and schemas"
    )
    owner_password: SecretStr = Field(description="the password that auth_owner gets")
    runtime_password: SecretStr = Field(description="the password that auth_service gets")
