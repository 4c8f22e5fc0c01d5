"""Runs one migration once more, on a schema that is past it."""

import importlib
from typing import Any

import asyncpg
import chassis.postgres.plain_sql  # noqa: F401 - registers how SQL is run
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool


async def migrate_once_more(url: str, module: str) -> None:
    """Runs `upgrade()` of a migration, in one transaction; the schema keeps its revision.

    Args:
        url: Postgres URL of the schema's owner.
        module: The migration's module.
    """
    step: Any = importlib.import_module(module)

    def run(connection: Connection) -> None:
        with Operations.context(MigrationContext.configure(connection)):
            step.upgrade()

    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(url), poolclass=NullPool
    )
    try:
        async with engine.begin() as connection:
            await connection.run_sync(run)
    finally:
        await engine.dispose()
