"""Databases of tests: empty, copies of the migrated one, and one per service that its tests share."""

import asyncpg
from devstack.database import Database
from devstack.postgres import Postgres
from devstack.topology import SERVICES, Service

from tests.migrated_cluster import TEMPLATE

_ROLES = [
    (role, service.schema.name)
    for service in SERVICES
    if service.schema is not None
    for role in (service.schema.owner, service.schema.runtime)
]


async def created(postgres: Postgres, name: str) -> None:
    """Makes an empty database."""
    await _run(postgres, f"CREATE DATABASE {name}")


async def copied(postgres: Postgres, migrated: Database, name: str) -> Database:
    """Makes a copy of the migrated database."""
    # Search paths are not part of a template.
    paths = [f"ALTER ROLE {role} IN DATABASE {name} SET search_path = {schema}" for role, schema in _ROLES]
    await _run(postgres, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY file_copy", ";".join(paths))
    return Database(postgres.url(database=name), migrated.passwords)


async def dropped(postgres: Postgres, name: str) -> None:
    """Removes a database and the connections to it."""
    await _run(postgres, f"DROP DATABASE {name} WITH (FORCE)")


async def emptied(postgres: Postgres, migrated: Database, service: Service, statement: str) -> Database:
    """Returns the database that a service's tests share, without rows; the first call makes it.

    Args:
        postgres: The server.
        migrated: What to copy.
        service: The service.
        statement: What the owner of its schema runs to empty it.
    """
    assert service.schema is not None
    name = f"{service.module}_tests"
    database = Database(postgres.url(database=name), migrated.passwords)
    try:
        owner = await asyncpg.connect(database.url(service.schema.owner))
    except asyncpg.InvalidCatalogNameError:
        return await copied(postgres, migrated, name)
    try:
        await owner.execute(statement)
    finally:
        await owner.close()
    return database


def deleting(schema: str, *tables: str) -> str:
    """Returns a statement that deletes every row of some tables, in this order."""
    return ";".join(f"DELETE FROM {schema}.{table}" for table in tables)


async def _run(postgres: Postgres, *statements: str) -> None:
    admin = await asyncpg.connect(postgres.url())
    try:
        for statement in statements:
            await admin.execute(statement)
    finally:
        await admin.close()
