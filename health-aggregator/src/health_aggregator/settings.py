"""The settings of health-aggregator, read from the environment."""

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from chassis.setting_types import GrpcAddress
from chassis.settings import GrpcServiceSettings
from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

QDRANT_PORT = 6333
"""Qdrant's own port, which its client takes for a URL that names none, whatever the scheme."""


class HealthSettings(GrpcServiceSettings):
    """The settings of the serving process, with the prefix `HEALTH_` unless named otherwise."""

    model_config = SettingsConfigDict(env_prefix="HEALTH_")

    topology: Path | None = Field(
        default=None, description="path of the topology file that says where the services are"
    )
    config: Path | None = Field(default=None, description="path of a TOML or YAML file with further targets")
    metrics: dict[str, str] = Field(
        default={},
        description="where each service exposes its metrics, as a JSON object of host:port by name; "
        "the topology file names them too. A host may resolve to several processes",
    )
    postgres_url: SecretStr | None = Field(
        default=None, description="DSN of the database, with the role health_aggregator"
    )
    auth_address: GrpcAddress | None = Field(
        default=None, description="where auth-service answers gRPC, as host:port; recognises admins"
    )
    token_issuer: str | None = Field(
        default=None,
        validation_alias="TOKEN_ISSUER",
        description="the `iss` of access tokens, auth-service's AUTH_ISSUER",
    )
    token_audience: str = Field(
        default="vestibule",
        validation_alias="TOKEN_AUDIENCE",
        description="the `aud` of access tokens, auth-service's AUTH_AUDIENCE",
    )
    qdrant_url: SecretStr | None = Field(
        default=None,
        validation_alias="QDRANT_URL",
        description=f"where Qdrant is; at port {QDRANT_PORT} unless the URL names another",
    )
    nextcloud_url: SecretStr | None = Field(default=None, validation_alias="NEXTCLOUD_URL")
    kubernetes: bool = Field(
        default="KUBERNETES_SERVICE_HOST" in os.environ,
        description="whether to find targets in the cluster; true where there is one",
    )
    kubernetes_service_host: str = Field(
        default="kubernetes.default.svc",
        validation_alias="KUBERNETES_SERVICE_HOST",
        description="host of the pod's own API; Kubernetes sets it",
    )
    kubernetes_service_port: int = Field(
        default=443,
        validation_alias="KUBERNETES_SERVICE_PORT",
        description="its port; Kubernetes sets it",
    )
    kubernetes_url: str | None = Field(
        default=None,
        description="where the Kubernetes API is; the pod's service account says so by default",
    )
    kubernetes_namespace: str | None = Field(
        default=None, description="where to look for targets; the pod's own namespace by default"
    )

    @property
    def backend_urls(self) -> Mapping[str, str]:
        """The URLs of the configured backends, by the target's name."""
        urls = {
            "postgres": self.postgres_url,
            "qdrant": self.qdrant_url,
            "nextcloud": self.nextcloud_url,
        }
        given = {name: url.get_secret_value() for name, url in urls.items() if url is not None}
        if "qdrant" in given:
            given["qdrant"] = _with_port(given["qdrant"], QDRANT_PORT)
        return {"redis": self.redis_url_with_authorities, **given}


def _with_port(url: str, port: int) -> str:
    parts = urlsplit(url)
    return url if parts.port else parts._replace(netloc=f"{parts.netloc.rstrip(':')}:{port}").geturl()
