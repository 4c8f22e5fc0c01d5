"""A database that the tests of auth-service share, emptied before each of them."""

import asyncpg
from devstack.database import Database
from devstack.postgres import Postgres

NAME = "auth_service_tests"
TABLES = (
    "mails",
    "mail_targets",
    "passkey_challenges",
    "credentials",
    "attempts",
    "revocations",
    "revocations_of_all",
    "known_devices",
    "sign_in_failures",
    "signing_keys",
    "retired_signing_keys",
    "master_keys",
    "audit_events",
    "audit_heads",
    "outbox",
)


async def emptied(postgres: Postgres, migrated: Database) -> Database:
    """Returns the database with nothing in the schema `auth`; made at the first time of asking.

    Args:
        postgres: The server.
        migrated: What to copy.
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
    owner = await asyncpg.connect(database.url("auth_owner"))
    try:
        await owner.execute(";".join(f"DELETE FROM auth.{table}" for table in TABLES))
    finally:
        await owner.close()
    return database
