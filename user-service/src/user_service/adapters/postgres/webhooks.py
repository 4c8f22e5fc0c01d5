"""Webhooks and their deliveries: `users.webhooks`, `users.webhook_deliveries`."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
from chassis.dataclass import dataclass
from chassis.ids import uuid7
from chassis.postgres.connection import Connection, rows_affected
from prometheus_client import Counter

from user_service.adapters.postgres import kept_deliveries
from user_service.domain.webhook import (
    WEBHOOKS_MAX,
    Announcement,
    Attempt,
    Delivery,
    DeliveryState,
    UserEvent,
    Webhook,
)

CHANNEL = "users_webhooks"
"""The NOTIFY channel on which it is said that a delivery may be due."""

_WEBHOOK = """id, url, events, description, sealed_secret, created_at, updated_at, is_active,
    disabled_reason, sealed_former, former_until"""
_DELIVERY = """id, webhook_id, event, user_id, version, fields, occurred_at, state, attempts, due_at,
    last_attempt_at, last_status, last_error"""

_CLAIMED_AT_ONCE = 16
"""Deliveries to an endpoint that are looked at: more than instances claim in one moment."""

_OUTCOMES = {
    DeliveryState.DELIVERED: "delivered",
    DeliveryState.PENDING: "retried",
    DeliveryState.DEAD: "dead",
}
_ATTEMPTS = Counter("webhook_attempts_total", "Attempts to deliver webhook messages.", ["outcome"])
for _outcome in _OUTCOMES.values():
    _ATTEMPTS.labels(_outcome)


@dataclass(frozen=True, slots=True)
class PostgresWebhooks:
    """`WebhookRepository` on one connection."""

    connection: Connection

    async def announce(self, said: Announcement) -> None:
        """Queues a delivery to each active or inactive endpoint that gets such events."""
        # Locked here, in one order, those that are deleted meanwhile drop out; their foreign key would
        # refuse the change that is announced.
        await self.connection.execute(
            """
            WITH queued AS (
            INSERT INTO users.webhook_deliveries
                   (id, webhook_id, event, user_id, version, fields, occurred_at)
            SELECT ids.id, hook.id, $2, $3, $4, $5, $6
              FROM (SELECT id, row_number() OVER () AS place
                      FROM (SELECT id FROM users.webhooks WHERE $2 = ANY(events)
                             ORDER BY id FOR KEY SHARE) AS locked) AS hook
              JOIN unnest($1::uuid[]) WITH ORDINALITY AS ids (id, place) USING (place)
            RETURNING 1)
            SELECT pg_notify($7, '') WHERE EXISTS (SELECT FROM queued)
            """,
            [uuid7() for _ in range(WEBHOOKS_MAX)],
            said.event.value,
            said.user_id,
            said.version,
            list(said.fields),
            said.occurred_at,
            CHANNEL,
        )

    async def add(self, webhook: Webhook) -> bool:
        """Adds an endpoint; returns False, and adds nothing, when there are `WEBHOOKS_MAX`."""
        await self.connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('users:webhooks', 0))")
        tag = await self.connection.execute(
            """
            INSERT INTO users.webhooks
                   (id, url, events, description, sealed_secret, created_at, updated_at, is_active)
            SELECT $1, $2, $3, $4, $5, $6, $6, true WHERE (SELECT count(*) FROM users.webhooks) < $7
            """,
            webhook.id,
            webhook.url,
            [event.value for event in webhook.events],
            webhook.description,
            webhook.sealed_secret,
            webhook.created_at,
            WEBHOOKS_MAX,
        )
        return rows_affected(tag) == 1

    async def all(self) -> list[Webhook]:
        """Returns every endpoint, the newest first."""
        rows = await self.connection.fetch(
            f"SELECT {_WEBHOOK} FROM users.webhooks ORDER BY id DESC"  # noqa: S608 of constants
        )
        return [_webhook(row) for row in rows]

    async def find(self, webhook_id: UUID) -> Webhook | None:
        """Returns an endpoint."""
        row = await self.connection.fetchrow(
            f"SELECT {_WEBHOOK} FROM users.webhooks WHERE id = $1",  # noqa: S608 of constants
            webhook_id,
        )
        return None if row is None else _webhook(row)

    async def lock(self, webhook_id: UUID) -> Webhook | None:
        """Returns an endpoint, locked until the transaction ends."""
        # Not FOR UPDATE, which would keep changes of users from being announced to the endpoint.
        row = await self.connection.fetchrow(
            f"SELECT {_WEBHOOK} FROM users.webhooks WHERE id = $1 FOR NO KEY UPDATE",  # noqa: S608 of constants
            webhook_id,
        )
        return None if row is None else _webhook(row)

    async def save(self, webhook: Webhook) -> None:
        """Overwrites a locked endpoint."""
        await self.connection.execute(
            """
            UPDATE users.webhooks
               SET url = $2, events = $3, description = $4, sealed_secret = $5, updated_at = $6,
                   is_active = $7, disabled_reason = $8, sealed_former = $9, former_until = $10
             WHERE id = $1
            """,
            webhook.id,
            webhook.url,
            [event.value for event in webhook.events],
            webhook.description,
            webhook.sealed_secret,
            webhook.updated_at,
            webhook.is_active,
            webhook.disabled_reason,
            webhook.sealed_former,
            webhook.former_until,
        )
        await self._notify()

    async def delete(self, webhook_id: UUID) -> bool:
        """Removes an endpoint with its deliveries; returns whether there was one."""
        tag = await self.connection.execute("DELETE FROM users.webhooks WHERE id = $1", webhook_id)
        return rows_affected(tag) == 1

    async def deliveries(
        self, webhook_id: UUID, state: DeliveryState | None, *, below: UUID | None, offset: int, limit: int
    ) -> list[Delivery]:
        """Returns deliveries to an endpoint, the newest first, below an id or from an offset."""
        rows = await self.connection.fetch(
            f"SELECT {_DELIVERY} FROM users.webhook_deliveries"  # noqa: S608 of constants
            " WHERE webhook_id = $1 AND ($2::text IS NULL OR state = $2) AND ($5::uuid IS NULL OR id < $5)"
            " ORDER BY id DESC OFFSET $3 LIMIT $4",
            webhook_id,
            state,
            offset,
            limit,
            below,
        )
        return [_delivery(row) for row in rows]

    async def count_deliveries(self, webhook_id: UUID, state: DeliveryState | None) -> int:
        """Returns how many deliveries to an endpoint there are."""
        counted = await self.connection.fetchval(
            "SELECT count(*) FROM users.webhook_deliveries"
            " WHERE webhook_id = $1 AND ($2::text IS NULL OR state = $2)",
            webhook_id,
            state,
        )
        return int(counted)

    async def resend(self, webhook_id: UUID, delivery_id: UUID) -> Delivery | None:
        """Makes a delivery pending and due, with no attempts; returns it."""
        row = await self.connection.fetchrow(
            f"UPDATE users.webhook_deliveries SET state = 'pending', attempts = 0, due_at = now()"  # noqa: S608
            f" WHERE id = $2 AND webhook_id = $1 RETURNING {_DELIVERY}",
            webhook_id,
            delivery_id,
        )
        await self._notify()
        return None if row is None else _delivery(row)

    async def claim(self, lease: timedelta, *, but: Sequence[UUID]) -> tuple[Delivery, Webhook] | None:
        """Returns a delivery that is due to an active endpoint not named, and reserves it for the lease."""
        # Endpoint by endpoint: what waits for one that is off, for a month at most, is not read.
        row = await self.connection.fetchrow(
            f"""
            UPDATE users.webhook_deliveries
               SET due_at = now() + $1::interval, attempts = attempts + 1, last_attempt_at = now()
             WHERE id = (SELECT waiting.id
                           FROM users.webhooks AS hook
                          CROSS JOIN LATERAL (
                                SELECT id FROM users.webhook_deliveries
                                 WHERE webhook_id = hook.id AND state = 'pending' AND due_at <= now()
                                 ORDER BY due_at LIMIT {_CLAIMED_AT_ONCE}) AS first
                           JOIN users.webhook_deliveries AS waiting ON waiting.id = first.id
                          WHERE hook.is_active AND hook.id <> ALL($2::uuid[])
                            AND waiting.state = 'pending' AND waiting.due_at <= now()
                          ORDER BY waiting.due_at LIMIT 1 FOR UPDATE OF waiting SKIP LOCKED)
            RETURNING {_DELIVERY}
            """,  # noqa: S608 of constants
            lease,
            list(but),
        )
        if row is None:
            return None
        webhook = await self.find(row["webhook_id"])
        return None if webhook is None else (_delivery(row), webhook)

    async def next_due(self) -> timedelta | None:
        """Returns how long until a delivery to an active endpoint is due; None while none is pending."""
        wait: timedelta | None = await self.connection.fetchval(
            "SELECT min(first.due_at) - now() FROM users.webhooks AS hook"
            " CROSS JOIN LATERAL (SELECT due_at FROM users.webhook_deliveries"
            " WHERE webhook_id = hook.id AND state = 'pending' ORDER BY due_at LIMIT 1) AS first"
            " WHERE hook.is_active"
        )
        return wait

    async def note(self, delivery: Delivery, attempt: Attempt) -> None:
        """Records how an attempt ended, unless another one was claimed meanwhile."""
        await self.connection.execute(
            """
            UPDATE users.webhook_deliveries
               SET state = $3, last_status = $4, last_error = $5,
                   due_at = now() + coalesce($6, interval '0')
             WHERE id = $1 AND attempts = $2 AND last_attempt_at = $7
            """,
            delivery.id,
            delivery.attempts,
            attempt.state.value,
            attempt.status,
            attempt.error,
            attempt.wait,
            # One that is sent again counts its attempts from 1.
            delivery.last_attempt_at,
        )
        _ATTEMPTS.labels(_OUTCOMES[attempt.state]).inc()

    async def purge(self, delivered: timedelta, dead: timedelta) -> int:
        """Deletes deliveries that ended longer ago than that; returns how many."""
        return await kept_deliveries.purge(self.connection, delivered, dead)

    async def _notify(self) -> None:
        """Says to those who send that a delivery may be due."""
        await self.connection.execute("SELECT pg_notify($1, '')", CHANNEL)


def _webhook(row: asyncpg.Record) -> Webhook:
    return Webhook(**{**row, "events": tuple(UserEvent(each) for each in row["events"])})


def _delivery(row: asyncpg.Record) -> Delivery:
    fields: dict[str, Any] = dict(row)
    said = Announcement(
        event=UserEvent(fields.pop("event")),
        **{name: fields.pop(name) for name in ("user_id", "version", "fields", "occurred_at")},
    )
    return Delivery(**{**fields, "state": DeliveryState(fields["state"])}, announcement=said)
