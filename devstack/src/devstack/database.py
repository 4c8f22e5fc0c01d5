"""The database that the services share: one schema and two roles for each, and URLs for all of them."""

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit, urlunsplit

from chassis.postgres.provision import SchemaRoles, provision

from devstack import program
from devstack.program import ProgramError
from devstack.topology import SERVICES, Service


@dataclass(frozen=True, slots=True)
class Database:
    """A provisioned database.

    Attributes:
        admin_url: URL of a role that may create roles and schemas in it.
        passwords: Password of each role, by its name.
    """

    admin_url: str
    passwords: Mapping[str, str]

    def url(self, role: str) -> str:
        """Returns a role's URL."""
        parts = urlsplit(self.admin_url)
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=f"{role}:{quote(self.passwords[role], safe='')}@{host}"))

    def environment(self, service: Service) -> dict[str, str]:
        """Returns a service's settings about Postgres: its own roles and no other's."""
        if service.schema is None:
            return {}
        return {
            f"{service.prefix}_POSTGRES_URL": self.url(service.schema.runtime),
            f"{service.prefix}_MIGRATION_POSTGRES_URL": self.url(service.schema.owner),
        }

    async def provision(self) -> None:
        """Makes the roles and schemas of all services; may be repeated."""
        for service in SERVICES:
            if service.schema is not None:
                await provision(self.admin_url, self._roles(service))

    async def migrate(self, service: Service) -> str:
        """Runs a service's migrations as its own command does and returns what it printed.

        Raises:
            ProgramError: they failed; the message has the command's last lines.
        """
        command = [sys.executable, "-m", service.module, "migrate"]
        process = await asyncio.create_subprocess_exec(
            *program.bound_to_us(command, signal="KILL"),
            env={**self.environment(service), "PYTHONUNBUFFERED": "1"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output = (await process.communicate())[0].decode(errors="replace")
        if process.returncode != 0:
            last = " / ".join(output.strip().splitlines()[-3:])
            raise ProgramError(f"the migrations of {service.name} failed: {last}")
        return output

    @staticmethod
    def role_names() -> list[str]:
        """Returns every role's name."""
        schemas = [service.schema for service in SERVICES if service.schema is not None]
        return [role for schema in schemas for role in (schema.owner, schema.runtime)]

    def _roles(self, service: Service) -> SchemaRoles:
        schema = service.schema
        assert schema is not None  # noqa: S101 asked for services with a schema only
        return SchemaRoles(
            schema=schema.name,
            owner=schema.owner,
            owner_password=self.passwords[schema.owner],
            runtime=schema.runtime,
            runtime_password=self.passwords[schema.runtime],
            extensions=schema.extensions,
        )
