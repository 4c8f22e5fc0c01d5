"""Units of work on Postgres."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from chassis.postgres.connection import Connection
from chassis.postgres.idempotency import PostgresIdempotency
from chassis.postgres.pool import Pool

from knowledge_service.adapters.postgres.documents import PostgresDocuments
from knowledge_service.adapters.postgres.index_removals import PostgresIndexRemovals
from knowledge_service.adapters.postgres.outbox import OUTBOX, PostgresOutbox
from knowledge_service.adapters.postgres.owners import PostgresOwners
from knowledge_service.adapters.postgres.passages import PostgresPassages
from knowledge_service.adapters.postgres.sources import PostgresSources
from knowledge_service.adapters.text_seal import TextSeal


class PostgresUnitOfWork:
    """`UnitOfWork` on one connection; the outbox works in a transaction only."""

    __slots__ = ("documents", "idempotency", "outbox", "owners", "passages", "removals", "sources")

    def __init__(self, connection: Connection, seal: TextSeal) -> None:
        self.documents = PostgresDocuments(connection, seal)
        self.passages = PostgresPassages(connection, seal)
        self.removals = PostgresIndexRemovals(connection)
        self.owners = PostgresOwners(connection)
        self.sources = PostgresSources(connection, seal)
        self.idempotency = PostgresIdempotency(connection, OUTBOX.schema)
        self.outbox = PostgresOutbox(connection)


@dataclass(frozen=True, slots=True)
class PostgresUnitsOfWork:
    """`UnitsOfWork` on a pool.

    Attributes:
        seal: Encrypts what is stored.
    """

    pool: Pool
    seal: TextSeal

    @asynccontextmanager
    async def statements(self) -> AsyncIterator[PostgresUnitOfWork]:
        """Opens a unit whose statements commit one by one."""
        async with self.pool.acquire() as connection:
            yield PostgresUnitOfWork(connection, self.seal)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresUnitOfWork]:
        """Opens a unit that commits at the end of the block, and rolls back when the block raises."""
        async with self.pool.transaction() as transaction:
            yield PostgresUnitOfWork(transaction, self.seal)
