"""Wrong passwords in Postgres, by account and client."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from chassis.postgres.connection import Connection

from auth_service.domain.guessing import BLOCK, FAILURES_MAX, WINDOW, GuessKey, GuessRecord

_CLIENTS_COUNTED_MAX = 32


@dataclass(frozen=True, slots=True)
class PostgresGuesses:
    """`GuessRepository` on one connection."""

    connection: Connection

    async def record(self, key: GuessKey) -> GuessRecord:
        """Returns what is held against the client and the account now."""
        row = await self.connection.fetchrow(
            """
            SELECT (SELECT blocked_until - now() FROM auth.sign_in_failures
                     WHERE account = $1 AND client = $2 AND blocked_until > now()) AS blocked_for,
                   (SELECT count(*) FROM
                      (SELECT failed_at FROM auth.sign_in_failures WHERE account = $1 LIMIT $4) AS counted,
                      unnest(counted.failed_at) AS failure
                     WHERE failure > now() - $3::interval) AS failures
            """,
            key.account,
            key.client,
            WINDOW,
            _CLIENTS_COUNTED_MAX,
        )
        return _record(row)

    async def note_failure(self, key: GuessKey) -> GuessRecord:
        """Counts a wrong password, and blocks the client when it has sent too many."""
        row = await self.connection.fetchrow(
            """
            INSERT INTO auth.sign_in_failures AS known (account, client, failed_at, updated_at)
            VALUES ($1, $2, ARRAY[now()], now())
            ON CONFLICT (account, client) DO UPDATE
               SET failed_at = ARRAY(SELECT failure FROM unnest(known.failed_at) AS failure
                                      WHERE failure > now() - $3::interval
                                      ORDER BY failure DESC LIMIT $4 - 1) || now(),
                   blocked_until = CASE
                       WHEN known.blocked_until > now() THEN known.blocked_until
                       WHEN (SELECT count(*) FROM unnest(known.failed_at) AS failure
                              WHERE failure > now() - $3::interval) >= $4 - 1 THEN now() + $5::interval
                   END,
                   updated_at = now()
            RETURNING blocked_until - now() AS blocked_for, cardinality(failed_at) AS failures
            """,
            key.account,
            key.client,
            WINDOW,
            FAILURES_MAX,
            BLOCK,
        )
        return _record(row)

    async def forgive(self, key: GuessKey) -> timedelta | None:
        """Forgets the client's failures, unless it is blocked: then returns for how long."""
        blocked_for: timedelta | None = await self.connection.fetchval(
            """
            WITH forgotten AS (
                DELETE FROM auth.sign_in_failures
                 WHERE account = $1 AND client = $2 AND (blocked_until IS NULL OR blocked_until <= now())
            )
            SELECT blocked_until - now() FROM auth.sign_in_failures
             WHERE account = $1 AND client = $2 AND blocked_until > now()
            """,
            key.account,
            key.client,
        )
        return blocked_for

    async def erase(self, account: bytes) -> None:
        """Forgets everything about an account."""
        await self.connection.execute("DELETE FROM auth.sign_in_failures WHERE account = $1", account)


def _record(row: Any) -> GuessRecord:
    return GuessRecord(blocked_for=row["blocked_for"], failures=row["failures"])
