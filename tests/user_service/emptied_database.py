"""One database for many tests, emptied before each; creating one takes longer than most tests."""

import asyncpg
from devstack.database import Database
from devstack.postgres import Postgres

NAME = "user_service_tests"


async def emptied(postgres: Postgres, migrated: Database) -> Database:
    """Returns the database with no users; creates it on the first call.

    Args:
        postgres: The server.
        migrated: The database to copy.
    """
    database = Database(postgres.url(database=NAME), migrated.passwords)
    admin = await asyncpg.connect(postgres.url())
    try:
        if not await admin.fetchval("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", NAME):
            template = migrated.admin_url.rpartition("/")[2]
            await admin.execute(f"CREATE DATABASE {NAME} TEMPLATE {template} STRATEGY file_copy")
            await database.provision()
    finally:
        await admin.close()
    owner = await asyncpg.connect(database.url("users_owner"))
    try:
        for table in ("webhooks", "attempts", "users", "tombstones", "outbox"):
            await owner.execute(f"DELETE FROM users.{table}")
    finally:
        await owner.close()
    return database
