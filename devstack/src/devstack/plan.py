"""The plan of a running stack: who listens where, and the environment that follows for each program."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from urllib.parse import urlsplit, urlunsplit

from devstack.database import Database
from devstack.keys import KeyPairs, Keys
from devstack.redis_acl import as_user, kept_passwords
from devstack.settings import Settings
from devstack.topology import AUTH, BY_NAME, GATEWAY, HEALTH, KNOWLEDGE, PROTO_PACKAGES, USERS, VOICE, Service

TOPOLOGY_FILE = "topology.json"
KEYS_FOLDER = "service-keys"
REDIS_FILE = "redis-passwords"
MARK = "DEVSTACK_DATA_DIR"
"""Marks the processes of one stack in their environment."""


Route = Callable[[str, str, str], str]
"""Takes caller, callee and the callee's `host:port`; returns the address that the caller is given."""


def straight(caller: str, called: str, address: str) -> str:
    """The route without a detour."""
    del caller, called
    return address


@dataclass(frozen=True, slots=True)
class Ports:
    """Where one process of a service listens on 127.0.0.1; a gateway has no gRPC."""

    http: int
    grpc: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What every program must know of the others.

    Attributes:
        settings: What the user who starts it decided.
        keys: The secrets.
        database: The database with its roles.
        redis_url: Where Redis or Valkey is, as the user who may do everything.
        ports: Of each process of a service, by the service's name.
        route: Leads each process to each other, such as through a proxy that makes trouble.
    """

    settings: Settings
    keys: Keys
    database: Database
    redis_url: str
    ports: Mapping[str, Sequence[Ports]]
    route: Route = straight

    @property
    def key_pairs(self) -> KeyPairs:
        """The services' keys."""
        return KeyPairs(self.settings.data_dir / KEYS_FOLDER)

    def environment(self, service: Service, ports: Ports, name: str = "") -> dict[str, str]:
        """Returns all of the environment of one process; what the user set wins.

        Args:
            service: What the process is one of.
            ports: Where it listens.
            name: Its name; the service's own when empty.
        """
        name = name or service.name
        given = self.settings.handed_to(service)
        computed = {
            "LOG_FORMAT": "console",
            "PYTHONUNBUFFERED": "1",
            MARK: str(self.settings.data_dir),
            "REDIS_URL": self._led(name, "redis", self._redis(service)),
            **self.key_pairs.environment(service.name),
            "TOKEN_ISSUER": self._issuer(),
            "TOKEN_AUDIENCE": self.settings.environment.get("AUTH_AUDIENCE", "vestibule"),
            **self._database(name).environment(service),
            **self._own(service, name),
        }
        # Ports may come from the user too, but only for the first process of a service.
        return computed | given | self._listening(service, ports)

    def _redis(self, service: Service) -> str:
        """Returns where Redis is for a service: as its own user in the embedded one."""
        if self.settings.redis_url is not None:
            return self.redis_url
        passwords = kept_passwords(self.key_pairs.folder / REDIS_FILE)
        return as_user(self.redis_url, service.name, passwords[service.name])

    def _listening(self, service: Service, ports: Ports) -> dict[str, str]:
        if service is GATEWAY:
            return {"GATEWAY_PORT": str(ports.http)}
        return {
            f"{service.prefix}_HTTP_PORT": str(ports.http),
            f"{service.prefix}_GRPC_PORT": str(ports.grpc),
        }

    def _own(self, service: Service, name: str) -> dict[str, str]:
        """Returns where a service finds those that it calls, and what only one service has."""
        called = (BY_NAME[each] for each in service.calls)
        addresses = {
            f"{service.prefix}_{each.prefix}_ADDRESS": self._grpc(name, each)
            for each in called
            if each in self.settings.services
        }
        own: dict[str, str] = {}
        if service is AUTH:
            own = {
                "AUTH_ISSUER": self._issuer(),
                "AUTH_MASTER_KEY": self.keys.auth_master_key,
                "AUTH_WITNESS_ADDRESS": self._grpc(name, HEALTH),
                "AUTH_MAIL_DIR": str(self.settings.data_dir / "mail"),
            }
        elif service is USERS:
            own = {"USERS_MASTER_KEY": self.keys.users_master_key}
        elif service is KNOWLEDGE:
            own = {
                "KNOWLEDGE_MASTER_KEY": self.keys.knowledge_master_key,
                "KNOWLEDGE_LOCAL_EMBEDDER": "on",
            }
        elif service is VOICE:
            own = {
                "VOICE_DETECTOR": "silero",
                "VOICE_TRANSCRIBER": "local",
                "VOICE_SYNTHESIZER": "local",
            }
        elif service is HEALTH:
            own = {"HEALTH_TOPOLOGY": str(self.settings.data_dir / TOPOLOGY_FILE)}
        elif service is GATEWAY:
            upstreams = {
                package: {"address": self._grpc(name, each)}
                for package, each in PROTO_PACKAGES.items()
                if each in self.settings.services
            }
            own = {"GATEWAY_UPSTREAMS": json.dumps(upstreams)}
        return addresses | own

    def _issuer(self) -> str:
        given = self.settings.environment
        public = f"http://127.0.0.1:{self.ports[GATEWAY.name][0].http}"
        return given.get("AUTH_ISSUER") or given.get("TOKEN_ISSUER") or public

    def _grpc(self, caller: str, service: Service) -> str:
        """Returns where a service is: all of its processes, of which gRPC asks each in turn."""
        named = zip(instance_names(service), self.ports[service.name], strict=False)
        places = [self.route(caller, called, f"127.0.0.1:{ports.grpc}") for called, ports in named]
        return places[0] if len(places) == 1 else "ipv4:///" + ",".join(places)

    def _database(self, caller: str) -> Database:
        return replace(self.database, admin_url=self._led(caller, "postgres", self.database.admin_url))

    def _led(self, caller: str, called: str, url: str) -> str:
        parts = urlsplit(url)
        who, at, address = parts.netloc.rpartition("@")
        return urlunsplit(parts._replace(netloc=who + at + self.route(caller, called, address)))


def instance_names(service: Service) -> Iterator[str]:
    """Returns what the processes of a service are called: `gateway`, `gateway-2` and so on."""
    yield service.name
    for number in count(2):
        yield f"{service.name}-{number}"
