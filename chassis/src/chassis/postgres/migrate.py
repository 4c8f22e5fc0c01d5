"""Migrations: Alembic with plain SQL, one run at a time.

A service holds only `migrations/versions/NNNN_verb_noun.py`, each with `revision = "NNNN"`,
`down_revision`, and an `upgrade()` that is `op.execute(\"\"\"plain SQL\"\"\")`: several
statements are fine, a colon is just a colon. Each migration is a transaction of its own;
`with op.get_context().autocommit_block():` steps out of it for CREATE INDEX CONCURRENTLY.

A run holds a session-level advisory lock of the schema, so it must not connect through a transaction pooler.
The lock is polled: a waiting statement would hold a snapshot, which blocks CREATE INDEX CONCURRENTLY in the
run that has the lock.
"""

import argparse
import asyncio
import importlib.resources
import sys
from collections.abc import Callable, Sequence
from typing import Any

import asyncpg
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from chassis import exits
from chassis.postgres import pool, revision
from chassis.postgres.failures import LOST
from chassis.startup_errors import StartupError

Say = Callable[[str], None]

LOCK_POLL_SECONDS = 0.25


class MigrationFailed(StartupError):
    """A migration fails on what is in the schema, and will again."""

    exit_status = exits.DATA


def main(
    arguments: Sequence[str],
    *,
    url: str,
    schema: str,
    package: str,
    runtime_role: str | None = None,
) -> int:
    """Runs `migrate [upgrade|current|check]` and returns the exit status (see `chassis.exits`).

    Args:
        arguments: What follows `migrate` on the command line; nothing means upgrade.
        url: Postgres URL of the schema's owner.
        schema: The schema; it exists already, provisioned with its roles.
        package: The package that holds `migrations/versions`.
        runtime_role: The role that the service runs as; it may read the revision.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {package} migrate")
    parser.add_argument("action", nargs="?", choices=("upgrade", "current", "check"), default="upgrade")
    action = parser.parse_args(arguments).action
    try:
        if action == "upgrade":
            asyncio.run(upgrade(url, schema=schema, package=package, runtime_role=runtime_role))
            return 0
        found = asyncio.run(current(url, schema=schema))
    except StartupError as error:
        print(f"migrate {schema}: {error}", file=sys.stderr)  # noqa: T201 - a command line's answer
        return error.exit_status
    needed = revision.head(package)
    _say(f"schema {schema} is at {found or 'nothing'}, the binary's head is {needed}")
    return 0 if action == "current" or (found is not None and int(found) >= int(needed)) else 1


async def upgrade(
    url: str,
    *,
    schema: str,
    package: str,
    runtime_role: str | None = None,
    lock_timeout_seconds: float = 10.0,
    connect_within_seconds: float = 30.0,
    say: Say | None = None,
) -> None:
    """Brings a schema to the package's newest revision; does nothing when it is there or further.

    Args:
        url: Postgres URL of the schema's owner.
        schema: The schema.
        package: The package that holds `migrations/versions`.
        runtime_role: The role that the service runs as; it may read the revision.
        lock_timeout_seconds: How long a statement may wait for a lock before the run fails.
        connect_within_seconds: How long Postgres may stay away.
        say: Takes lines of progress; they go to stdout by default.

    Raises:
        StartupError: Postgres stays away.
        StartupRefused: Postgres refuses the role or its password.
        MigrationFailed: a migration failed; what was done before is kept.
    """
    say = say or _say
    await _await_postgres(url, connect_within_seconds)
    # asyncpg reads the URL itself, so that it means the same as for the service's pool.
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: asyncpg.connect(url, server_settings={"application_name": "migrate"}),
        poolclass=NullPool,
    )
    try:
        async with engine.connect() as connection:
            await _lock(connection, schema, say)
            await connection.execute(text(f"SET lock_timeout = {int(lock_timeout_seconds * 1000)}"))
            await connection.execute(text(f"SET search_path = {schema}"))
            await connection.commit()
            await connection.run_sync(_upgrade, schema, package, say)
            if runtime_role is not None:
                table = f"{schema}.{revision.VERSION_TABLE}"
                await connection.execute(text(f"GRANT SELECT ON {table} TO {runtime_role}"))
                await connection.commit()
    except (DBAPIError, asyncpg.PostgresError, OSError) as error:
        cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
        if isinstance(cause, (*LOST, asyncpg.LockNotAvailableError)):
            raise StartupError(
                f"a migration was interrupted and rolled back: {cause}; run it again"
            ) from error
        raise MigrationFailed(f"a migration failed and was rolled back: {cause}") from error
    finally:
        await engine.dispose()


async def current(url: str, *, schema: str) -> str | None:
    """Returns the revision that a schema is at; None when nothing was ever migrated.

    Raises:
        StartupError: Postgres stays away.
    """
    async with pool.open_pool(
        url, application_name="migrate", max_size=1, connect_within_seconds=5.0
    ) as database:
        return await revision.recorded(database, schema)


def _upgrade(connection: Connection, schema: str, package: str, say: Say) -> None:
    found = connection.execute(
        text("SELECT to_regclass(:name) IS NOT NULL"), {"name": f"{schema}.{revision.VERSION_TABLE}"}
    ).scalar()
    at = None
    if found:
        at = connection.execute(text(f"SELECT version_num FROM {schema}.{revision.VERSION_TABLE}")).scalar()  # noqa: S608
    connection.commit()
    head = revision.head(package)
    if at is not None and int(at) >= int(head):
        say(f"schema {schema} is at {at}: nothing to do")
        return
    say(f"schema {schema} is at {at or 'nothing'}, going to {head}")

    def report(*, step: Any, **_: Any) -> None:
        say(f"applied {step.up_revision_id}: {step.up_revision.doc}")

    config = Config()
    config.set_main_option("script_location", _folder("chassis.postgres", "alembic_environment"))
    config.set_main_option("version_locations", _folder(package, "migrations", "versions"))
    config.set_main_option("path_separator", "os")
    config.attributes |= {"connection": connection, "schema": schema, "on_version_apply": report}
    command.upgrade(config, "head")
    connection.commit()
    say(f"schema {schema} is at {head}")


def _folder(package: str, *path: str) -> str:
    return str(importlib.resources.files(package).joinpath(*path)).replace("%", "%%")


async def _lock(connection: AsyncConnection, schema: str, say: Say) -> None:
    waiting = False
    while True:
        statement = text("SELECT pg_try_advisory_lock(hashtextextended(:name, 0))")
        locked = (await connection.execute(statement, {"name": f"migrate:{schema}"})).scalar()
        await connection.commit()
        if locked:
            return
        if not waiting:
            say(f"another migration of schema {schema} is running; waiting for it")
            waiting = True
        await asyncio.sleep(LOCK_POLL_SECONDS)


async def _await_postgres(url: str, within_seconds: float) -> None:
    async with pool.open_pool(
        url, application_name="migrate", max_size=1, connect_within_seconds=within_seconds
    ) as database:
        await database.fetchval("SELECT 1")


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - progress of a command line
