"""Units of work on Postgres."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

from chassis.dataclass import dataclass
from chassis.postgres.connection import Connection
from chassis.postgres.idempotency import PostgresIdempotency
from chassis.postgres.pool import Pool
from chassis.postgres.unit_of_work import ConnectionUnit, Repository

from user_service.adapters.postgres.audit_clients import PostgresAuditClients
from user_service.adapters.postgres.email_changes import PostgresEmailChanges
from user_service.adapters.postgres.outbox import OUTBOX, PostgresOutbox
from user_service.adapters.postgres.tombstones import PostgresTombstones
from user_service.adapters.postgres.user_imports import PostgresUserImports
from user_service.adapters.postgres.users import PostgresUsers
from user_service.adapters.postgres.webhooks import PostgresWebhooks


class PostgresUnitOfWork(ConnectionUnit):
    """`UnitOfWork` on one connection; the outbox works in a transaction only."""

    __slots__ = ("_carries_clients",)

    users = Repository(PostgresUsers)
    imports = Repository(PostgresUserImports)
    email_changes = Repository(PostgresEmailChanges)
    webhooks = Repository(PostgresWebhooks)
    idempotency = Repository(partial(PostgresIdempotency, schema=OUTBOX.schema))
    tombstones = Repository(PostgresTombstones)
    audit_clients = Repository(PostgresAuditClients)

    def __init__(self, connection: Connection, *, carries_clients: bool) -> None:
        super().__init__(connection)
        self._carries_clients = carries_clients

    @property
    def outbox(self) -> PostgresOutbox:
        """The events to publish."""
        return PostgresOutbox(self.connection, self._carries_clients)


@dataclass(frozen=True, slots=True)
class PostgresUnitsOfWork:
    """`UnitsOfWork` on a pool.

    Attributes:
        carries_clients: As in `PostgresOutbox`.
    """

    pool: Pool
    carries_clients: bool = False

    def statements(self) -> AbstractAsyncContextManager[PostgresUnitOfWork]:
        """Opens a unit whose statements commit one by one."""
        return self.pool.acquire(self._unit)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresUnitOfWork]:
        """Opens a unit that commits at the end of the block, and rolls back when the block raises."""
        async with self.pool.transaction() as transaction:
            yield self._unit(transaction)

    def _unit(self, connection: Connection) -> PostgresUnitOfWork:
        return PostgresUnitOfWork(connection, carries_clients=self.carries_clients)
