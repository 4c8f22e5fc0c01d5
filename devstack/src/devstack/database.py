"""The database that the services share: one schema and two roles for each, and URLs for all of them."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
from chassis.postgres import revision
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
        services: The services that have a part in it.
    """

    admin_url: str
    passwords: Mapping[str, str]
    services: Sequence[Service] = SERVICES

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
        for service in self.services:
            if service.schema is not None:
                await provision(self.admin_url, self._roles(service))

    async def migrate(self, service: Service) -> str:
        """Runs a service's migrations as its own command does and returns what it printed.

        A schema that has them all is left alone: most starts find it so.

        Raises:
            ProgramError: they failed; the message has the command's last lines.
        """
        if await self._is_migrated(service):
            return ""
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

    async def _is_migrated(self, service: Service) -> bool:
        schema = service.schema
        if schema is None:
            return True
        query = f"SELECT version_num FROM {schema.name}.{revision.VERSION_TABLE}"  # noqa: S608 our own names
        connection = await asyncpg.connect(self.url(schema.owner), timeout=10)
        try:
            found = await connection.fetchval(query)
        except asyncpg.UndefinedTableError:
            return False
        finally:
            await connection.close()
        return bool(found == revision.head(service.module))

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
