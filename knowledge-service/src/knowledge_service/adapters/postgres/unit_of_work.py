"""Units of work on Postgres."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

from chassis.dataclass import dataclass
from chassis.postgres.connection import Connection
from chassis.postgres.idempotency import PostgresIdempotency
from chassis.postgres.pool import Pool
from chassis.postgres.unit_of_work import ConnectionUnit, Repository

from knowledge_service.adapters.postgres.audit_clients import PostgresAuditClients
from knowledge_service.adapters.postgres.documents import PostgresDocuments
from knowledge_service.adapters.postgres.index_removals import PostgresIndexRemovals
from knowledge_service.adapters.postgres.outbox import OUTBOX, PostgresOutbox
from knowledge_service.adapters.postgres.owners import PostgresOwners
from knowledge_service.adapters.postgres.passages import PostgresPassages
from knowledge_service.adapters.postgres.sources import PostgresSources
from knowledge_service.adapters.text_seal import TextSeal


class PostgresUnitOfWork(ConnectionUnit):
    """`UnitOfWork` on one connection; the outbox works in a transaction only."""

    __slots__ = ("_seal",)

    removals = Repository(PostgresIndexRemovals)
    owners = Repository(PostgresOwners)
    idempotency = Repository(partial(PostgresIdempotency, schema=OUTBOX.schema))
    audit_clients = Repository(PostgresAuditClients)
    outbox = Repository(PostgresOutbox)

    def __init__(self, connection: Connection, seal: TextSeal) -> None:
        super().__init__(connection)
        self._seal = seal

    @property
    def documents(self) -> PostgresDocuments:
        """The documents."""
        return PostgresDocuments(self.connection, self._seal)

    @property
    def passages(self) -> PostgresPassages:
        """Their passages."""
        return PostgresPassages(self.connection, self._seal)

    @property
    def sources(self) -> PostgresSources:
        """The sources that documents are read from."""
        return PostgresSources(self.connection, self._seal)


@dataclass(frozen=True, slots=True)
class PostgresUnitsOfWork:
    """`UnitsOfWork` on a pool.

    Attributes:
        seal: Encrypts what is stored.
    """

    pool: Pool
    seal: TextSeal

    def statements(self) -> AbstractAsyncContextManager[PostgresUnitOfWork]:
        """Opens a unit whose statements commit one by one."""
        return self.pool.acquire(self._unit)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresUnitOfWork]:
        """Opens a unit that commits at the end of the block, and rolls back when the block raises."""
        async with self.pool.transaction() as transaction:
            yield self._unit(transaction)

    def _unit(self, connection: Connection) -> PostgresUnitOfWork:
        return PostgresUnitOfWork(connection, self.seal)
