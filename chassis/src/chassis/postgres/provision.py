"""Provisions what a service's migrations need: its two roles and its schema.

The owner role owns and migrates the schema; the runtime role has what the migrations grant; no other role has
access.
"""

import asyncio
import re
import sys
from contextlib import suppress

import asyncpg

from chassis import exits
from chassis.dataclass import dataclass
from chassis.postgres.failures import LOST

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True)
class SchemaRoles:
    """A schema and its roles.

    Attributes:
        schema: The schema's name.
        owner: The role that owns it and runs the migrations.
        owner_password: Its password.
        runtime: The role that the service runs as.
        runtime_password: Its password.
        extensions: What to install in the schema where the server offers it and lets us; the
            migrations do without what is missing.
    """

    schema: str
    owner: str
    owner_password: str
    runtime: str
    runtime_password: str
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in (self.schema, self.owner, self.runtime, *self.extensions):
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} is not a plain lower-case name of Postgres")


def main(admin_url: str, roles: SchemaRoles) -> int:
    """Provisions, says so on stdout or why not on stderr, and returns the exit status."""
    try:
        asyncio.run(provision(admin_url, roles))
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        print(  # noqa: T201 - a command line's answer
            f"provision {roles.schema}: {error}; the admin's URL must name the database and a role that"
            " may create roles and schemas in it",
            file=sys.stderr,
        )
        return exits.TRANSIENT if isinstance(error, LOST) else exits.CONFIG
    print(f"schema {roles.schema} belongs to {roles.owner} and serves {roles.runtime}")  # noqa: T201
    return 0


async def provision(admin_url: str, roles: SchemaRoles) -> None:
    """Makes the roles and the schema, or sets what is there right; may be repeated.

    Args:
        admin_url: URL of a role that may create roles and schemas, naming the database.
        roles: What to make.

    Raises:
        asyncpg.PostgresError: Postgres refused.
        OSError: Postgres is not there.
    """
    connection = await asyncpg.connect(admin_url, timeout=10)
    try:
        async with connection.transaction():
            # Roles belong to the whole server: two databases provisioned at once would collide.
            await connection.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended('vestibule:provision', 0))"
            )
            await _set_role(connection, roles.owner, roles.owner_password)
            await _set_role(connection, roles.runtime, roles.runtime_password)
            database = await connection.fetchval("SELECT current_database()")
            await connection.execute(_schema_statements(roles, str(database)))
            for role in (roles.owner, roles.runtime):
                await _keep_rows_out_of_the_log(connection, role)
            for extension in roles.extensions:
                await _install(connection, extension, roles.schema)
    finally:
        await connection.close()


async def _set_role(connection: asyncpg.Connection, role: str, password: str) -> None:
    exists = await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", role)
    verb = "ALTER" if exists else "CREATE"
    secret = await connection.fetchval("SELECT quote_literal($1::text)", password)
    await connection.execute(
        f"{verb} ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD {secret}"
    )


async def _keep_rows_out_of_the_log(connection: asyncpg.Connection, role: str) -> None:
    """Has Postgres log failures without the row that failed, as far as we may decide that."""
    with suppress(asyncpg.InsufficientPrivilegeError):
        async with connection.transaction():
            await connection.execute(f"ALTER ROLE {role} SET log_error_verbosity = 'terse'")


async def _install(connection: asyncpg.Connection, extension: str, schema: str) -> None:
    with suppress(asyncpg.InsufficientPrivilegeError, asyncpg.FeatureNotSupportedError):
        async with connection.transaction():
            await connection.execute(f"CREATE EXTENSION IF NOT EXISTS {extension} WITH SCHEMA {schema}")


def _schema_statements(roles: SchemaRoles, database: str) -> str:
    quoted = '"' + database.replace('"', '""') + '"'
    return f"""
        REVOKE ALL ON DATABASE {quoted} FROM PUBLIC;
        REVOKE ALL ON SCHEMA public FROM PUBLIC;
        GRANT CONNECT ON DATABASE {quoted} TO {roles.owner}, {roles.runtime};
        GRANT {roles.owner} TO CURRENT_USER;
        CREATE SCHEMA IF NOT EXISTS {roles.schema} AUTHORIZATION {roles.owner};
        REVOKE ALL ON SCHEMA {roles.schema} FROM PUBLIC;
        GRANT USAGE ON SCHEMA {roles.schema} TO {roles.runtime};
        ALTER ROLE {roles.owner} IN DATABASE {quoted} SET search_path = {roles.schema};
        ALTER ROLE {roles.runtime} IN DATABASE {quoted} SET search_path = {roles.schema};
    """
