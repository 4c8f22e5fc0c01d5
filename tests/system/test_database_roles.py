"""What each service may touch in the database that they share: its own schema, and its log only to add."""

import asyncio

import asyncpg
import pytest

from tests.system.house import House

ROLES = {"auth": "auth_service", "users": "user_service", "health": "health_aggregator"}


@pytest.mark.parametrize("schema", ROLES)
@pytest.mark.parametrize("role", [*ROLES.values(), "auth_owner", "users_owner", "health_owner"])
def test_schemas_are_closed(house: House, schema: str, role: str) -> None:
    """Neither a service nor the owner of its schema reads or writes another service's."""
    if role.partition("_")[0].rstrip("s") == schema.rstrip("s"):
        pytest.skip("its own schema")
    tables = house.rows(
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm')",
        schema,
    )
    assert tables or schema == "health"
    for (table,) in tables:
        for statement in (
            f"SELECT 1 FROM {schema}.{table}",
            f"DELETE FROM {schema}.{table}",
            f"TRUNCATE {schema}.{table}",
            f"COPY {schema}.{table} TO STDOUT",
        ):
            assert _is_denied(house.url(role), statement), statement
    assert _is_denied(house.url(role), f"CREATE TABLE {schema}.mine (id int)")


@pytest.mark.parametrize("role", ROLES.values())
@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE public.mine (id int)",
        "CREATE SCHEMA mine",
        "CREATE ROLE mine",
        "SELECT pg_read_file('/etc/hostname')",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "SELECT pg_reload_conf()",
        "ALTER ROLE postgres PASSWORD 'mine'",
    ],
)
def test_services_are_nobody_special(house: House, role: str, statement: str) -> None:
    """A service that is taken over cannot climb in the database."""
    assert _is_denied(house.url(role), statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE auth.audit_events SET action = 'nothing'",
        "DELETE FROM auth.audit_events",
        "TRUNCATE auth.audit_events",
        "ALTER TABLE auth.audit_events DISABLE TRIGGER ALL",
        "DROP TABLE auth.audit_events",
    ],
)
def test_audit_is_only_written(house: House, statement: str) -> None:
    """auth-service itself can add to the audit log and read it, nothing else."""
    assert _is_denied(house.url("auth_service"), statement)
    assert not _is_denied(house.url("auth_service"), "SELECT 1 FROM auth.audit_events LIMIT 1")


@pytest.mark.parametrize(("schema", "role"), ROLES.items())
def test_services_do_not_own_their_tables(house: House, schema: str, role: str) -> None:
    """Only migrations change a schema: a running service cannot."""
    assert _is_denied(house.url(role), f"CREATE TABLE {schema}.mine (id int)")
    owners = house.rows(
        "SELECT DISTINCT pg_get_userbyid(c.relowner) FROM pg_class c "
        "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1",
        schema,
    )
    assert (role,) not in owners


def _is_denied(url: str, statement: str) -> bool:
    """Whether Postgres refuses a statement for want of a privilege. Nothing is kept of it."""

    async def run() -> bool:
        connection = await asyncpg.connect(url)
        transaction = connection.transaction()
        await transaction.start()
        try:
            await connection.execute(statement)
        except asyncpg.InsufficientPrivilegeError:
            return True
        except asyncpg.PostgresError:
            return False
        else:
            return False
        finally:
            await transaction.rollback()
            await connection.close()

    return asyncio.run(run())
