"""The settings of a service that verifies the tokens of its callers."""

from pydantic import Field

from chassis.setting_types import GrpcAddress
from chassis.settings import GrpcServiceSettings


class AuthenticatingSettings(GrpcServiceSettings):
    """Where auth-service is, and whose tokens are accepted."""

    auth_address: GrpcAddress = Field(description="where auth-service answers gRPC, as host:port")
    token_issuer: str = Field(
        validation_alias="TOKEN_ISSUER", description="the `iss` of access tokens, auth-service's AUTH_ISSUER"
    )
    token_audience: str = Field(
        default="vestibule",
        validation_alias="TOKEN_AUDIENCE",
        description="the `aud` of access tokens, auth-service's AUTH_AUDIENCE",
    )
