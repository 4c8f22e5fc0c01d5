"""The gateway's settings, and the one place that reads its environment."""

from pathlib import Path
from typing import Annotated, Literal

from chassis.addresses import Network
from chassis.setting_types import GrpcAddress, Origin, comma_separated
from chassis.settings import ServiceSettings
from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

ForwardedHeader = Literal["any", "x-forwarded-for", "forwarded"]


class Upstream(BaseModel):
    """Where a service is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: GrpcAddress


class GatewaySettings(ServiceSettings):
    """The gateway's settings."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_")

    host: str = Field(default="127.0.0.1", description="address of the API")
    port: int = Field(default=8000, ge=0, le=65535, description="port of the API")
    upstreams: dict[str, Upstream] = Field(
        description='which service is where: {"vestibule.auth.v1": {"address": "127.0.0.1:50051"}, …}'
    )
    descriptors: Annotated[tuple[Path, ...], NoDecode] = Field(
        default=(), description="files with further descriptor sets, separated by colons"
    )
    token_issuer: str = Field(validation_alias="TOKEN_ISSUER", description="the `iss` of good tokens")
    token_audience: str = Field(default="vestibule", validation_alias="TOKEN_AUDIENCE")
    rate_limits: Literal["on", "off"] = Field(default="on", description="`on` or `off`")
    client_limit: int = Field(
        default=1200,
        ge=0,
        description="requests per minute and user, API key or client address, everything together;"
        " 0 for no such limit",
    )
    tls: Literal["on", "off"] = Field(default="off", description="`on` when clients reach it over TLS")
    cors_origins: Annotated[tuple[Origin, ...], NoDecode] = Field(
        default=(), description="origins that browsers may call from, separated by commas"
    )
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode] = Field(
        default=(),
        description="networks whose report of the client's address is believed, as CIDRs separated by commas",
    )
    forwarded_header: ForwardedHeader = Field(
        default="any",
        description="how trusted proxies name the client: `x-forwarded-for`, `forwarded`, or `any` of them",
    )
    deadline_seconds: float = Field(default=5.0, gt=0, description="how long a call may take by default")

    @field_validator("descriptors", mode="before")
    @classmethod
    def _split_paths(cls, value: object) -> object:
        return tuple(value.split(":")) if isinstance(value, str) else value

    _split_list = comma_separated("cors_origins", "trusted_proxies")

    def shortcomings(self) -> list[str]:
        """Returns what the strict profile refuses about these settings, one line each."""
        found = super().shortcomings()
        if self.is_strict and self.rate_limits == "off":
            found.append("GATEWAY_RATE_LIMITS is off: passwords could be guessed at full speed")
        if self.is_strict and self.tls == "off":
            found.append("GATEWAY_TLS is off: clients have to reach the gateway over TLS")
        return found

    def address_of(self, service: str) -> str | None:
        """Returns the address of a gRPC service, by the longest matching prefix of its name."""
        names = [name for name in self.upstreams if service == name or service.startswith(f"{name}.")]
        return self.upstreams[max(names, key=len)].address if names else None
