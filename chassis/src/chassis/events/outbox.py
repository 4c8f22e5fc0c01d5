"""The outbox: an event is written in the transaction of the change that it reports.

Each publishing service's migrations create this table in its own schema (copy the text, with the names
of the schema and the runtime role):

    CREATE TABLE auth.outbox (
        position     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        event_id     uuid NOT NULL CONSTRAINT outbox_event_id_unique UNIQUE,
        payload      bytea NOT NULL,
        created_at   timestamptz NOT NULL DEFAULT now(),
        published_at timestamptz,
        stream_id    text
    );
    CREATE INDEX outbox_unpublished ON auth.outbox (position) WHERE published_at IS NULL;
    CREATE INDEX outbox_published ON auth.outbox (published_at) WHERE published_at IS NOT NULL;
    GRANT SELECT, INSERT, UPDATE, DELETE ON auth.outbox TO auth_service;

`stream_id` is the event's entry on the stream, by which the relay checks that it is still there. The relay
deletes rows 24 h after publication.
"""

from typing import Any
from uuid import UUID

from vestibule.events.v1.events_pb2 import Event

from chassis import ids
from chassis.dataclass import dataclass
from chassis.events import stream
from chassis.grpc import committed
from chassis.grpc.call import current_traceparent
from chassis.postgres.connection import Transaction

SWEEP_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Outbox:
    """The outbox of one service.

    Attributes:
        schema: The Postgres schema with the table `outbox`.
        source: The service's name, as in `Event.source`.
    """

    schema: str
    source: str

    async def append(self, transaction: Transaction, event: Event) -> Event:
        """Writes an event; it is delivered if and only if the transaction commits.

        `event_id`, `occurred_at`, `source` and `traceparent` are set if empty. After COMMIT the event is
        also added to the response of the current call.

        Returns:
            The event as written.

        Raises:
            Unavailable: Postgres cannot store it now.
        """
        written = Event()
        written.CopyFrom(event)
        written.event_id = written.event_id or str(ids.uuid7())
        written.source = written.source or self.source
        written.traceparent = written.traceparent or current_traceparent()
        if not written.HasField("occurred_at"):
            written.occurred_at.GetCurrentTime()
        await transaction.execute(
            f"WITH written AS (INSERT INTO {self.schema}.outbox (event_id, payload) VALUES ($1, $2))"  # noqa: S608
            f" SELECT pg_notify('{self.channel}', '')",
            UUID(written.event_id),
            written.SerializeToString(),
        )
        transaction.after_commit(lambda: committed.note(written))
        return written

    @property
    def channel(self) -> str:
        """The NOTIFY channel that wakes the relay."""
        return f"{self.schema}_outbox"

    @property
    def heartbeat_channel(self) -> str:
        """The NOTIFY channel by which heartbeats are requested of the relay."""
        return f"{self.schema}_heartbeats"


async def sweep(connection: Any, outbox: Outbox) -> int:
    """Deletes rows published more than 24 h ago, in small batches; returns how many."""
    deleted = 0
    table = f"{outbox.schema}.outbox"
    while True:
        tag = await connection.execute(
            f"DELETE FROM {table} WHERE position IN (SELECT position FROM {table}"  # noqa: S608
            f" WHERE published_at < now() - interval '{stream.RETENTION_SECONDS} seconds'"
            f" LIMIT {SWEEP_BATCH})"
        )
        count = int(tag.rpartition(" ")[2])
        deleted += count
        if count < SWEEP_BATCH:
            return deleted
