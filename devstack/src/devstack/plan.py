"""The plan of a running stack: who listens where, and the environment that follows for each program."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from devstack.database import Database
from devstack.keys import Keys
from devstack.settings import Settings
from devstack.topology import AUTH, GATEWAY, HEALTH, PROTO_PACKAGES, USERS, Service

TOPOLOGY_FILE = "topology.json"
MARK = "DEVSTACK_DATA_DIR"
"""Tells the processes of one stack from those of another."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where one process of a service listens on 127.0.0.1; a gateway has no gRPC."""

    http: int
    grpc: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What every program must know of the others.

    Attributes:
        settings: What the person who starts it decided.
        keys: The secrets.
        database: The database with its roles.
        redis_url: Where Redis or Valkey is.
        ports: Of each service, by its name.
    """

    settings: Settings
    keys: Keys
    database: Database
    redis_url: str
    ports: Mapping[str, Ports]

    def environment(self, service: Service, ports: Ports) -> dict[str, str]:
        """Returns all of the environment of one process; what the person set wins."""
        given = self.settings.handed_to(service)
        computed = {
            "LOG_FORMAT": "console",
            "PYTHONUNBUFFERED": "1",
            MARK: str(self.settings.data_dir),
            "REDIS_URL": self.redis_url,
            "SERVICE_KEY": self.keys.service_key,
            "TOKEN_ISSUER": self._issuer(),
            "TOKEN_AUDIENCE": self.settings.environment.get("AUTH_AUDIENCE", "vestibule"),
            **self.database.environment(service),
            **self._own(service),
        }
        # Ports may come from the person too, but only for the first process of a service.
        return computed | given | self._listening(service, ports)

    def _listening(self, service: Service, ports: Ports) -> dict[str, str]:
        if service is GATEWAY:
            return {"GATEWAY_PORT": str(ports.http)}
        return {
            f"{service.prefix}_HTTP_PORT": str(ports.http),
            f"{service.prefix}_GRPC_PORT": str(ports.grpc),
        }

    def _own(self, service: Service) -> dict[str, str]:
        mail = str(self.settings.data_dir / "mail")
        return {
            AUTH: {
                "AUTH_ISSUER": self._issuer(),
                "AUTH_MASTER_KEY": self.keys.auth_master_key,
                "AUTH_USERS_ADDRESS": self._grpc(USERS),
                "AUTH_MAIL_DIR": mail,
            },
            USERS: {"USERS_AUTH_ADDRESS": self._grpc(AUTH)},
            HEALTH: {
                "HEALTH_AUTH_ADDRESS": self._grpc(AUTH),
                "HEALTH_TOPOLOGY": str(self.settings.data_dir / TOPOLOGY_FILE),
            },
            GATEWAY: {
                "GATEWAY_UPSTREAMS": json.dumps(
                    {package: {"address": self._grpc(other)} for package, other in PROTO_PACKAGES.items()}
                )
            },
        }[service]

    def _issuer(self) -> str:
        given = self.settings.environment
        public = f"http://127.0.0.1:{self.ports[GATEWAY.name].http}"
        return given.get("AUTH_ISSUER") or given.get("TOKEN_ISSUER") or public

    def _grpc(self, service: Service) -> str:
        return f"127.0.0.1:{self.ports[service.name].grpc}"
