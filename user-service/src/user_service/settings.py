"""What user-service reads from the environment."""

from typing import Annotated, Literal

from chassis.addresses import Network
from chassis.auth_client.settings import AuthenticatingSettings
from chassis.master_keys import (
    MASTER_KEYS_ACCEPTED,
    MasterKeysText,
    MasterKeyText,
    master_keys,
    was_drawn_at_random,
)
from chassis.setting_types import GrpcAddress, comma_separated
from pydantic import Field, SecretStr
from pydantic_settings import NoDecode, SettingsConfigDict


class UsersSettings(AuthenticatingSettings):
    """The settings of the serving process."""

    model_config = SettingsConfigDict(env_prefix="USERS_")

    postgres_url: SecretStr = Field(
        description="where the schema `users` is, with the runtime role: postgresql://user_service:…@host/database"
    )
    postgres_pool_size: int = Field(default=10, ge=1, le=100, description="most connections to Postgres")
    master_key: MasterKeyText | None = Field(
        default=None,
        description="32 secret bytes in base64, which encrypt the secrets of webhooks; without them there are"
        " none: `openssl rand -base64 32`",
    )
    master_keys_accepted: MasterKeysText | None = MASTER_KEYS_ACCEPTED
    webhook_http: Literal["on", "off"] = Field(
        default="off", description="whether webhooks may have `http` URLs, for tests and closed networks"
    )
    webhook_networks: Annotated[tuple[Network, ...], NoDecode] = Field(
        default=(),
        description="private networks that webhooks may lead into, such as 10.1.2.0/24, separated by commas",
    )
    knowledge_address: GrpcAddress | None = Field(
        default=None,
        description="where knowledge-service answers gRPC, as host:port; not set where it is off",
    )

    _split_list = comma_separated("webhook_networks")

    @property
    def master_keys(self) -> tuple[bytes, ...]:
        """The master key itself, and others that are accepted; none without the first."""
        return () if self.master_key is None else master_keys(self.master_key, self.master_keys_accepted)

    def shortcomings(self) -> list[str]:
        """Returns what the strict profile refuses about these settings, one line each."""
        found = super().shortcomings()
        if self.is_strict and not all(was_drawn_at_random(key) for key in self.master_keys):
            found.append(
                "USERS_MASTER_KEY is not safe: it was not drawn at random: `openssl rand -base64 32`"
            )
        if self.is_strict and self.webhook_http == "on":
            found.append("USERS_WEBHOOK_HTTP is on: messages could be read and changed on their way")
        return found
