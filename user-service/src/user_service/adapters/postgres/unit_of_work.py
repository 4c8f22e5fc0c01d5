"""Units of work on Postgres: one transaction, its repositories and its events."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from chassis.events.outbox import Outbox
from chassis.postgres.pool import Pool

from user_service.adapters.postgres.email_changes import PostgresEmailChanges
from user_service.adapters.postgres.outbox_events import OutboxEvents
from user_service.adapters.postgres.tombstones import PostgresTombstones
from user_service.adapters.postgres.users import PostgresUsers


@dataclass(frozen=True, slots=True)
class PostgresUnit:
    """`Unit` of one transaction."""

    users: PostgresUsers
    email_changes: PostgresEmailChanges
    tombstones: PostgresTombstones
    events: OutboxEvents


@dataclass(frozen=True, slots=True)
class PostgresUnitOfWork:
    """`UnitOfWork` on Postgres.

    Attributes:
        database: Opens the transactions.
        outbox: Takes their events.
        carries_clients: As in `OutboxEvents`.
    """

    database: Pool
    outbox: Outbox
    carries_clients: bool = False

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[PostgresUnit]:
        """Opens one. It commits when the block ends and rolls back when the block raises."""
        async with self.database.transaction() as transaction:
            yield PostgresUnit(
                users=PostgresUsers(transaction),
                email_changes=PostgresEmailChanges(transaction),
                tombstones=PostgresTombstones(transaction),
                events=OutboxEvents(self.outbox, transaction, self.carries_clients),
            )
