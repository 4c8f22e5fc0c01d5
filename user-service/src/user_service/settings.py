"""What user-service reads from the environment."""

from chassis.settings import GrpcServiceSettings
from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict


class UsersSettings(GrpcServiceSettings):
    """The settings of the serving process."""

    model_config = SettingsConfigDict(env_prefix="USERS_")

    postgres_url: SecretStr = Field(
        description="where the schema `users` is, with the runtime role: postgresql://user_service:…@host/database"
    )
    postgres_pool_size: int = Field(default=10, ge=1, le=100, description="most connections to Postgres")
    auth_address: str = Field(description="where auth-service answers gRPC, as host:port")
    token_issuer: str = Field(
        validation_alias="TOKEN_ISSUER", description="the `iss` of access tokens, auth-service's AUTH_ISSUER"
    )
    token_audience: str = Field(
        default="vestibule",
        validation_alias="TOKEN_AUDIENCE",
        description="the `aud` of access tokens, auth-service's AUTH_AUDIENCE",
    )
