"""What knowledge-service reads from the environment."""

from chassis.master_keys import (
    MASTER_KEYS_ACCEPTED,
    MasterKeysText,
    MasterKeyText,
    master_keys,
    was_drawn_at_random,
)
from chassis.settings import GrpcServiceSettings
from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict


class KnowledgeSettings(GrpcServiceSettings):
    """The settings of the serving process."""

    model_config = SettingsConfigDict(env_prefix="KNOWLEDGE_")

    postgres_url: SecretStr = Field(
        description="where the schema `knowledge` is, with the runtime role:"
        " postgresql://knowledge_service:…@host/database"
    )
    postgres_pool_size: int = Field(default=10, ge=4, le=100, description="most connections to Postgres")
    master_key: MasterKeyText = Field(
        description="32 secret bytes in base64, which encrypt the documents: `openssl rand -base64 32`"
    )
    master_keys_accepted: MasterKeysText | None = MASTER_KEYS_ACCEPTED
    auth_address: str = Field(description="where auth-service answers gRPC, as host:port")
    users_address: str = Field(description="where user-service answers gRPC, as host:port")
    token_issuer: str = Field(
        validation_alias="TOKEN_ISSUER", description="the `iss` of access tokens, auth-service's AUTH_ISSUER"
    )
    token_audience: str = Field(
        default="vestibule",
        validation_alias="TOKEN_AUDIENCE",
        description="the `aud` of access tokens, auth-service's AUTH_AUDIENCE",
    )

    @property
    def master_keys(self) -> tuple[bytes, ...]:
        """The master key itself, and others that are accepted."""
        return master_keys(self.master_key, self.master_keys_accepted)

    def shortcomings(self) -> list[str]:
        """Returns what the strict profile refuses about these settings, one line each."""
        found = super().shortcomings()
        if self.is_strict and not all(was_drawn_at_random(key) for key in self.master_keys):
            found.append(
                "KNOWLEDGE_MASTER_KEY is not safe: it was not drawn at random: `openssl rand -base64 32`"
            )
        return found
