"""What the commands of auth-service read from the environment."""

from typing import Literal

from chassis.master_keys import MASTER_KEYS_ACCEPTED, MasterKeysText, MasterKeyText, master_keys
from chassis.settings import EnvironmentSettings
from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import SettingsConfigDict

from auth_service.settings.fields import (
    AUDIT_RETENTION_YEARS,
    KEY_PUBLISH_SECONDS,
    OWNERS_POSTGRES_URL,
    POSTGRES_URL,
    TOO_SHORT,
    YEARS_HINT,
    is_too_short,
)


class KeySettings(EnvironmentSettings):
    """The settings of `python -m auth_service keys`."""

    model_config = SettingsConfigDict(env_prefix="AUTH_")

    postgres_url: SecretStr = POSTGRES_URL
    master_key: MasterKeyText = Field(description="32 secret bytes in base64, which seal the signing keys")
    master_keys_accepted: MasterKeysText | None = MASTER_KEYS_ACCEPTED
    key_publish_seconds: float = KEY_PUBLISH_SECONDS

    @property
    def master_keys(self) -> tuple[bytes, ...]:
        """The master key itself, and others that are accepted."""
        return master_keys(self.master_key, self.master_keys_accepted)


class _ChainSettings(EnvironmentSettings):
    """What every command that reads the whole audit chain needs."""

    model_config = SettingsConfigDict(env_prefix="AUTH_")

    profile: Literal["standard", "strict"] = Field(default="standard", validation_alias="PROFILE")
    master_key: MasterKeyText | None = Field(
        default=None,
        description="32 secret bytes in base64, which verify the signing keys",
    )
    master_keys_accepted: MasterKeysText | None = MASTER_KEYS_ACCEPTED
    audit_retention_years: int | None = AUDIT_RETENTION_YEARS

    @field_validator("audit_retention_years")
    @classmethod
    def _is_long_enough(cls, years: int | None, others: ValidationInfo) -> int | None:
        if others.data.get("profile") == "strict" and is_too_short(years):
            raise ValueError(TOO_SHORT)
        return years

    @property
    def master_keys(self) -> tuple[bytes, ...]:
        """The master key itself, and others that are accepted; empty when it is not set."""
        return () if self.master_key is None else master_keys(self.master_key, self.master_keys_accepted)


class AuditSettings(_ChainSettings):
    """The settings of `python -m auth_service audit verify` and `export`."""

    postgres_url: SecretStr = POSTGRES_URL


class PruneSettings(_ChainSettings):
    """The settings of `python -m auth_service audit prune`."""

    migration_postgres_url: SecretStr = OWNERS_POSTGRES_URL
    audit_retention_years: int = Field(ge=1, le=100, description=YEARS_HINT)
