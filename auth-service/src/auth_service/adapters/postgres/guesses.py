"""Wrong passwords in Postgres, by account and client."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from chassis.postgres.connection import Connection

from auth_service.domain.login_throttle import BLOCK, FAILURES_MAX, WINDOW, GuessKey, GuessRecord

CLIENTS_COUNTED_MAX = 32

RESERVED = """
    reserved AS (
        INSERT INTO auth.sign_in_failures AS known (account, client, failed_at, updated_at)
        VALUES ($1, $2, ARRAY[clock_timestamp()], now())
        ON CONFLICT (account, client) DO UPDATE
           SET failed_at = ARRAY(SELECT failure FROM unnest(known.failed_at) AS failure
                                  WHERE failure > now() - $3::interval ORDER BY failure) || clock_timestamp(),
               blocked_until = NULL,
               updated_at = now()
         WHERE coalesce(known.blocked_until <= now(), true)
           AND (SELECT count(*) FROM unnest(known.failed_at) AS failure
                 WHERE failure > now() - $3::interval) < $4
        RETURNING failed_at[cardinality(failed_at)] AS counted_at, cardinality(failed_at) - 1 AS earlier
    ), held AS (
        SELECT max(blocked_until - now()) FILTER (WHERE client = $2 AND blocked_until > now()) AS blocked_for,
               coalesce(sum((SELECT count(*) FROM unnest(failed_at) AS failure
                              WHERE failure > now() - $3::interval)) FILTER (WHERE client <> $2), 0)::integer
                 AS elsewhere
          FROM (SELECT client, blocked_until, failed_at FROM auth.sign_in_failures
                 WHERE account = $1 ORDER BY client <> $2 LIMIT $5) AS counted
    ), guesses AS (
        SELECT held.blocked_for, held.elsewhere + coalesce(reserved.earlier, $4) AS failures,
               reserved.counted_at, coalesce(reserved.earlier = 0, false) AS is_first,
               -- A crash of Postgres may forget a guess that was just counted; waiting for its disk would
               -- cost every sign-in a write.
               set_config('synchronous_commit', 'off', true) AS commit
          FROM held LEFT JOIN reserved ON true
    )"""
"""The part of a statement that counts a guess: `$1` to `$5` are `reservation(key)`."""


def reservation(key: GuessKey) -> tuple[object, ...]:
    """Returns the arguments of `RESERVED`."""
    return key.account, key.client, WINDOW, FAILURES_MAX, CLIENTS_COUNTED_MAX


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
            CLIENTS_COUNTED_MAX,
        )
        return _record(row)

    async def reserve(self, key: GuessKey) -> GuessRecord:
        """Counts a guess before it is made, if the client has one left, and returns what is held."""
        row = await self.connection.fetchrow(
            f"WITH {RESERVED} SELECT blocked_for, failures, counted_at, is_first FROM guesses",  # noqa: S608 of constants
            *reservation(key),
        )
        return reserved_of(row)

    async def confirm(self, key: GuessKey) -> None:
        """Blocks the client when its guesses are used up."""
        await self.connection.execute(
            """
            UPDATE auth.sign_in_failures AS known SET blocked_until = now() + $5::interval
             WHERE account = $1 AND client = $2 AND coalesce(blocked_until <= now(), true)
               AND (SELECT count(*) FROM unnest(known.failed_at) AS failure
                     WHERE failure > now() - $3::interval) >= $4
            """,
            key.account,
            key.client,
            WINDOW,
            FAILURES_MAX,
            BLOCK,
        )

    async def release(self, key: GuessKey, counted_at: datetime) -> None:
        """Takes back a guess that was counted and not made."""
        await self.connection.execute(
            """
            UPDATE auth.sign_in_failures SET failed_at = array_remove(failed_at, $3)
             WHERE account = $1 AND client = $2
            """,
            key.account,
            key.client,
            counted_at,
        )

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


def reserved_of(row: Any) -> GuessRecord:
    """Returns what a row of `RESERVED` says."""
    return GuessRecord(
        blocked_for=row["blocked_for"],
        failures=row["failures"],
        counted_at=row["counted_at"],
        is_first=row["is_first"],
    )


def _record(row: Any) -> GuessRecord:
    return GuessRecord(blocked_for=row["blocked_for"], failures=row["failures"])
