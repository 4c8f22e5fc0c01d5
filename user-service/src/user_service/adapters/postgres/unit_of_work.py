"""Units of work on Postgres."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from chassis.postgres.connection import Connection
from chassis.postgres.idempotency import PostgresIdempotency
from chassis.postgres.pool import Pool

from user_service.adapters.postgres.audit_clients import PostgresAuditClients
from user_service.adapters.postgres.email_changes import PostgresEmailChanges
from user_service.adapters.postgres.outbox import OUTBOX, PostgresOutbox
from user_service.adapters.postgres.tombstones import PostgresTombstones
from user_service.adapters.postgres.user_imports import PostgresUserImports
from user_service.adapters.postgres.users import PostgresUsers
from user_service.adapters.postgres.webhooks import PostgresWebhooks


class PostgresUnitOfWork:
    """`UnitOfWork` on one connection; the outbox works in a transaction only."""

    __slots__ = (
        "audit_clients",
        "email_changes",
        "idempotency",
        "imports",
        "outbox",
        "tombstones",
        "users",
        "webhooks",
    )

    def __init__(self, connection: Connection, *, carries_clients: bool) -> None:
        self.users = PostgresUsers(connection)
        self.imports = PostgresUserImports(connection)
        self.email_changes = PostgresEmailChanges(connection)
        self.webhooks = PostgresWebhooks(connection)
        self.idempotency = PostgresIdempotency(connection, OUTBOX.schema)
        self.tombstones = PostgresTombstones(connection)
        self.audit_clients = PostgresAuditClients(connection)
        self.outbox = PostgresOutbox(connection, carries_clients)


@dataclass(frozen=True, slots=True)
class PostgresUnitsOfWork:
    """`UnitsOfWork` on a pool.

    Attributes:
        carries_clients: As in `PostgresOutbox`.
    """

    pool: Pool
    carries_clients: bool = False

    @asynccontextmanager
    async def statements(self) -> AsyncIterator[PostgresUnitOfWork]:
        """Opens a unit whose statements commit one by one."""
        async with self.pool.acquire() as connection:
            yield PostgresUnitOfWork(connection, carries_clients=self.carries_clients)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresUnitOfWork]:
        """Opens a unit that commits at the end of the block, and rolls back when the block raises."""
        async with self.pool.transaction() as transaction:
            yield PostgresUnitOfWork(transaction, carries_clients=self.carries_clients)
