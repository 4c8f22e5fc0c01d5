"""What each service may do in the shared database: only in its own schema, and in the audit log only add."""

import asyncio
from collections.abc import Iterable

import asyncpg
import pytest

from tests.system.running_system import System

ROLES = {"auth": "auth_service", "users": "user_service", "health": "health_aggregator"}

STRANGERS = [
    (role, schema)
    for own in ROLES
    for role in (ROLES[own], f"{own}_owner")
    for schema in ROLES
    if schema != own
]


@pytest.mark.parametrize(("role", "schema"), STRANGERS)
def test_schemas_are_closed(system: System, role: str, schema: str) -> None:
    """Neither a service nor its schema's owner reads or writes another service's schema."""
    tables = system.rows(
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm')",
        schema,
    )
    assert tables or schema == "health"
    statements = [
        statement
        for (table,) in tables
        for statement in (
            f"SELECT 1 FROM {schema}.{table}",
            f"DELETE FROM {schema}.{table}",
            f"TRUNCATE {schema}.{table}",
            f"COPY {schema}.{table} TO STDOUT",
        )
    ]

    assert _allowed(system.url(role), [*statements, f"CREATE TABLE {schema}.mine (id int)"]) == []


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
def test_services_have_no_special_rights(system: System, role: str, statement: str) -> None:
    """A compromised service cannot gain rights in the database."""
    assert _allowed(system.url(role), [statement]) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE auth.audit_events SET action = 'nothing'",
        "DELETE FROM auth.audit_events",
        "TRUNCATE auth.audit_events",
        "ALTER TABLE auth.audit_events DISABLE TRIGGER ALL",
        "DROP TABLE auth.audit_events",
        "UPDATE auth.audit_heads SET hash = ''",
        "DELETE FROM auth.audit_heads",
        "UPDATE auth.audit_counts SET entries = 0",
        "INSERT INTO auth.audit_counts VALUES ('auth.login', 1)",
        "DELETE FROM auth.audit_counts",
        "DELETE FROM auth.audit_clients",
        "UPDATE auth.audit_clients SET ip = ''",
        "INSERT INTO auth.audit_clients SELECT id, ''::bytea, '', '', '' FROM auth.audit_events",
        "UPDATE auth.retired_signing_keys SET x = ''",
        "DELETE FROM auth.retired_signing_keys",
        "UPDATE auth.later_attestations SET attestation = ''",
        "DELETE FROM auth.later_attestations",
        "DELETE FROM auth.master_keys",
    ],
)
def test_audit_is_only_written(system: System, statement: str) -> None:
    """auth-service can read the audit log and add to it, nothing else."""
    assert _allowed(system.url("auth_service"), [statement]) == []
    reading = "SELECT 1 FROM auth.audit_events LIMIT 1"
    assert _allowed(system.url("auth_service"), [reading]) == [reading]


@pytest.mark.parametrize(("schema", "role"), ROLES.items())
def test_services_do_not_own_their_tables(system: System, schema: str, role: str) -> None:
    """Only migrations change a schema: a running service cannot."""
    assert _allowed(system.url(role), [f"CREATE TABLE {schema}.mine (id int)"]) == []
    owners = system.rows(
        "SELECT DISTINCT pg_get_userbyid(c.relowner) FROM pg_class c "
        "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1",
        schema,
    )
    assert (role,) not in owners


def _allowed(url: str, statements: Iterable[str]) -> list[str]:
    """Runs statements and rolls them back; returns those that no missing privilege refused."""

    async def run() -> list[str]:
        connection = await asyncpg.connect(url)
        try:
            return [statement for statement in statements if not await _is_denied(connection, statement)]
        finally:
            await connection.close()

    return asyncio.run(run())


async def _is_denied(connection: "asyncpg.Connection[asyncpg.Record]", statement: str) -> bool:
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
