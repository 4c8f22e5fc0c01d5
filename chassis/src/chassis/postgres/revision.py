"""The start-up check of the schema: is everything there that this binary needs?

A revision's id is its number, zero-padded as in the file's name: `0003_add_sessions.py`
holds revision `0003`. A schema that is further than the binary is fine, because
migrations expand first and contract a release later.
"""

import importlib.resources

import asyncpg

from chassis.postgres.pool import Pool
from chassis.startup_errors import StartupError

VERSION_TABLE = "alembic_version"


def head(package: str) -> str:
    """Returns the newest revision that a package's `migrations/versions` holds, without Alembic.

    Raises:
        StartupError: it holds none.
    """
    versions = importlib.resources.files(package) / "migrations" / "versions"
    found = [file.name.partition("_")[0] for file in versions.iterdir() if file.name[:4].isdigit()]
    if not found:
        raise StartupError(f"package {package} has no migrations; reinstall it")
    return max(found)


async def recorded(pool: Pool, schema: str) -> str | None:
    """Returns the revision that a schema is at; None when nothing was ever migrated."""
    try:
        value = await pool.fetchval(f"SELECT version_num FROM {schema}.{VERSION_TABLE}")  # noqa: S608
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        return None
    return None if value is None else str(value)


async def require(pool: Pool, *, schema: str, package: str) -> None:
    """Makes sure that a schema is at this binary's revision or a later one. Takes no lock.

    Raises:
        StartupError: it is not, or the role may not read it.
        Unavailable: Postgres went away.
    """
    needed = head(package)
    command = f"python -m {package} migrate"
    try:
        found = await recorded(pool, schema)
    except asyncpg.InsufficientPrivilegeError as error:
        raise StartupError(
            f"the role may not read schema `{schema}`: provision it, then run `{command}`"
        ) from error
    if found is None or int(found) < int(needed):
        at = "empty" if found is None else f"at {found}"
        raise StartupError(f"schema `{schema}` is {at}, this binary needs {needed}: run `{command}`")
