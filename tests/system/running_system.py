"""The running system: to look behind the gateway, and to stop and start parts of it."""

import asyncio
import base64
import itertools
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import jwt
from auth_service.adapters.master_key import MasterKey
from auth_service.domain.signing_key import SigningKey
from chassis.identity.service_keys import ServiceKeys, open_service_keys
from chassis.identity.service_tokens import ServiceTokens
from chassis.settings import ServiceSettings
from devstack.plan import Ports
from devstack.ports import free_port
from devstack.service import ServiceProcess
from devstack.stack import Stack
from devstack.topology import AUTH, GATEWAY, HEALTH, Service

from tests.command_line import completed
from tests.system.client import PASSWORD, Client, new_email
from tests.waiting import wait_for

_numbers = itertools.count(1)


class System:
    """A running stack.

    Args:
        stack: The stack.
    """

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    @property
    def base_url(self) -> str:
        """Where the gateway is."""
        return self._stack.base_url

    @property
    def admin(self) -> tuple[str, str]:
        """E-mail and password of the first admin."""
        return self._stack.admin

    def url(self, role: str) -> str:
        """Returns Postgres' URL for a role."""
        return self._stack.database.url(role)

    @property
    def folder(self) -> Path:
        """The folder with everything that the system stores."""
        return self._stack.folder

    def grpc(self, name: str) -> str:
        """Returns a service's gRPC address."""
        return str(self._stack.services[name].grpc)

    def service_keys(self, service: str) -> ServiceKeys:
        """Returns the keys that a service holds."""
        settings = ServiceSettings.model_validate(
            {**self._stack.plan.key_pairs.environment(service), "REDIS_URL": self.redis_url}
        )
        return open_service_keys(service, settings)

    def service_token(self, service: str, audience: str) -> str:
        """Returns a token that proves a service's identity to another service."""
        return ServiceTokens(self.service_keys(service)).mint(audience)

    @property
    def redis_url(self) -> str:
        """Where Redis is."""
        return self._stack.plan.redis_url

    @property
    def services(self) -> tuple[str, ...]:
        """The names of the services."""
        return tuple(self._stack.services)

    def http(self, service: str) -> str:
        """Returns `host:port` of a service's HTTP: metrics and health."""
        return self._stack.services[service].http

    @property
    def master_key(self) -> MasterKey:
        """auth-service's master key."""
        return MasterKey(base64.b64decode(self._stack.plan.keys.auth_master_key))

    def change(self, statement: str, *values: object) -> None:
        """Runs a statement as Postgres' superuser."""
        self.rows(statement, *values)

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Returns the rows of a query that Postgres' superuser runs."""
        return _ask(self._stack.database.admin_url, statement, *values)

    def run(self, role: str, statement: str, *values: object) -> None:
        """Runs a statement as one of the services' roles."""
        _ask(self.url(role), statement, *values)

    def kill(self, name: str) -> None:
        """Kills a part."""
        self._stack.kill_part(name)

    def start(self, name: str, *, settle: bool = True) -> None:
        """Starts a part again and waits until the other parts reach it.

        Args:
            name: The part.
            settle: Whether the system is whole again with it.
        """
        self._stack.start_part(name)
        if settle:
            self._settle()

    @contextmanager
    def without(self, name: str) -> Iterator[None]:
        """Stops a part for a while."""
        self._stack.stop_part(name)
        try:
            yield
        finally:
            self.start(name)

    @contextmanager
    def changed(self, name: str, **settings: str) -> Iterator[None]:
        """Runs a service with other settings for a while."""
        process = self._stack.services[name]
        before = process.environment
        try:
            self._stack.stop_part(name)
            process.environment = {**before, **settings}
            self.start(name)
            yield
        finally:
            self._stack.stop_part(name)
            process.environment = before
            self.start(name)

    @contextmanager
    def gateway(self, **settings: str) -> Iterator[str]:
        """Runs one more gateway, with additional settings, and gives its URL."""
        ports = Ports(free_port())
        name = f"passing-gateway-{next(_numbers)}"
        environment = self._stack.plan.environment(GATEWAY, ports) | settings
        log = self._stack.folder / "logs" / f"{name}.log"
        process = ServiceProcess(name, GATEWAY, environment, ports.http, ports.grpc, log)
        process.start()
        try:
            process.wait_until_ready()
            yield f"http://{process.http}"
        finally:
            process.stop()

    def environment(self, service: Service) -> dict[str, str]:
        """Returns the environment of a service's process."""
        return dict(self._stack.services[service.name].environment)

    def command(self, *arguments: str) -> str:
        """Runs a command of auth-service with the settings of auth-service, and returns its output.

        Raises:
            AssertionError: it failed.
        """
        ran = completed(AUTH.module, self.environment(AUTH), *arguments)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def forget_heads(self, role: str, after: int) -> subprocess.CompletedProcess[str]:
        """Runs `forget-heads` of the health aggregator as a role of Postgres."""
        environment = self._stack.services[HEALTH.name].environment
        settings = {**environment, "HEALTH_MIGRATION_POSTGRES_URL": self.url(role)}
        return completed(HEALTH.module, settings, "forget-heads", "--after", str(after))

    def sign(self, claims: Mapping[str, Any], *, kid: str | None = "") -> str:
        """Signs claims with the current signing key of auth-service.

        Args:
            claims: What the token is to say.
            kid: The `kid` in the header: the key's own when empty, no `kid` when None.
        """
        columns = "kid, x, y, sealed_private_key, published_at, active_from"
        ((name, x, y, sealed, published_at, active_from),) = self.rows(
            f"SELECT {columns} FROM auth.signing_keys ORDER BY active_from DESC LIMIT 1"
        )
        key = SigningKey(
            kid=name,
            x=x,
            y=y,
            sealed_private_key=sealed,
            published_at=published_at,
            active_from=active_from,
        )
        headers = {} if kid is None else {"kid": kid or name}
        return jwt.encode(dict(claims), self.master_key.opened(key), algorithm="ES256", headers=headers)

    def _settle(self) -> None:
        """Waits until every service reaches every other one again.

        Raises:
            AssertionError: they have not found one another in time.
        """
        registration = {"email": new_email(), "password": PASSWORD, "full_name": "Early Bird"}
        credentials = {name: registration[name] for name in ("email", "password")}
        with Client(self.base_url) as client:

            def works() -> bool:
                client.post("/api/auth/register", json=registration)
                signed_in = client.post("/api/auth/login", json=credentials)
                return signed_in.status == 200 and client.who(signed_in.data["access_token"]).status == 200

            wait_for(works)


def _ask(url: str, statement: str, *values: object) -> list[tuple[Any, ...]]:
    async def ask() -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(url)
        try:
            return [tuple(row) for row in await connection.fetch(statement, *values)]
        finally:
            await connection.close()

    return asyncio.run(ask())
