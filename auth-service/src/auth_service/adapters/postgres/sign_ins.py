"""Sign-ins and failed passwords in Postgres.

A sign-in should cost little more than its hash, and each round trip takes a tenth of a millisecond: so it
is one statement before the password is verified and one after it.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.component import Component
from chassis.identity.role import Role
from chassis.postgres.connection import Connection

from auth_service.adapters.postgres import credentials
from auth_service.adapters.postgres.audit import arguments
from auth_service.domain.audit import AuditEntry
from auth_service.domain.credential import Credential
from auth_service.domain.login_throttle import BLOCK, FAILURES_MAX, WINDOW, ThrottleKey, ThrottleState
from auth_service.domain.proof import Methods
from auth_service.domain.session import STANDARD, LockedSession, Opening, Session, SessionLimits

CLIENTS_COUNTED_MAX = 32

_RESERVED = """
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
               -- A crash of Postgres may lose a failure that was just counted; waiting for its disk would
               -- cost every sign-in a write.
               set_config('synchronous_commit', 'off', true) AS commit
          FROM held LEFT JOIN reserved ON true
    )"""
"""The part of a statement that counts a login in advance: `$1` to `$5` are `_reservation(key)`."""


def _reservation(key: ThrottleKey) -> tuple[object, ...]:
    """Returns the arguments of `_RESERVED`."""
    return key.account, key.client, WINDOW, FAILURES_MAX, CLIENTS_COUNTED_MAX


class PostgresLoginThrottle(Component):
    """`LoginThrottleRepository` on one connection."""

    connection: Connection

    async def state(self, key: ThrottleKey) -> ThrottleState:
        """Returns what is recorded against the client and the account now."""
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

    async def reserve(self, key: ThrottleKey) -> ThrottleState:
        """Counts a failure in advance, if the client has one left; returns the record."""
        row = await self.connection.fetchrow(
            f"WITH {_RESERVED} SELECT blocked_for, failures, counted_at, is_first FROM guesses",  # noqa: S608 of constants
            *_reservation(key),
        )
        return _reserved(row)

    async def confirm_failure(self, key: ThrottleKey) -> None:
        """Blocks the client when its failures are used up."""
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

    async def release(self, key: ThrottleKey, counted_at: datetime) -> None:
        """Removes a failure that was counted in advance and did not happen."""
        await self.connection.execute(
            """
            UPDATE auth.sign_in_failures SET failed_at = array_remove(failed_at, $3)
             WHERE account = $1 AND client = $2
            """,
            key.account,
            key.client,
            counted_at,
        )

    async def count_failure(self, key: ThrottleKey) -> ThrottleState:
        """Counts a failure, and blocks the client when it has too many."""
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

    async def reset(self, key: ThrottleKey) -> None:
        """Deletes the client's failures, unless it is blocked."""
        await self.connection.execute(
            """
            DELETE FROM auth.sign_in_failures
             WHERE account = $1 AND client = $2 AND (blocked_until IS NULL OR blocked_until <= now())
            """,
            key.account,
            key.client,
        )

    async def erase(self, account: bytes) -> None:
        """Deletes everything recorded about an account."""
        await self.connection.execute("DELETE FROM auth.sign_in_failures WHERE account = $1", account)


# The clock is read in a step of its own, which cannot begin before the credential is locked.
# The entry comes last, after both changes: it takes the lock of the audit chain.
_OPEN = """
    WITH blocked AS MATERIALIZED (
        SELECT blocked_until - now() AS blocked_for FROM auth.sign_in_failures
         WHERE account = $1 AND client = $2 AND blocked_until > now()
    ), credential AS MATERIALIZED (
        SELECT user_id, role FROM auth.credentials
         WHERE user_id = $4 AND password_hash = $5 AND is_active AND NOT is_pending
           AND second_factor = $20
           AND NOT EXISTS (SELECT FROM blocked)
           FOR SHARE
    ), moment AS MATERIALIZED (
        SELECT user_id, role, clock_timestamp() AS at FROM credential
    ), opened AS (
        INSERT INTO auth.sessions
               (id, user_id, rotated_at, created_at, last_used_at, expires_at, ip, user_agent,
                by_passkey, auth_time, amr)
        SELECT $3, user_id, at, at, at, at + $6, $13, $14, $21, at, $22 FROM moment
        RETURNING id
    ), forgiven AS (
        DELETE FROM auth.sign_in_failures
         WHERE account = $1 AND EXISTS (SELECT FROM moment)
           AND (client = $2 OR client = $23 AND coalesce(blocked_until <= now(), true))
        RETURNING client
    )
    SELECT moment.role, moment.at, NULL::interval AS blocked_for,
           auth.append_audit_entry($7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
      FROM moment, (SELECT count(*) FROM opened) AS first, (SELECT count(*) FROM forgiven) AS second
     UNION ALL
    SELECT NULL, NULL, blocked_for, NULL FROM blocked
"""


class PostgresSignIns(Component):
    """`SignInRepository` on one connection."""

    connection: Connection
    limits: SessionLimits = STANDARD

    async def look_up(self, canonical: str, key: ThrottleKey) -> tuple[ThrottleState, Credential | None]:
        """Counts a failure in advance; returns record and credential, at the same cost if there is none."""
        row = await self.connection.fetchrow(
            f"""
            WITH {_RESERVED}
            SELECT guesses.*, known.*
              FROM guesses
              LEFT JOIN ({credentials.SELECT} WHERE email_canonical = $6) AS known ON true
            """,  # noqa: S608 of constants
            *_reservation(key),
            canonical,
        )
        assert row is not None  # noqa: S101 an aggregate always answers
        return _reserved(row), None if row["user_id"] is None else credentials.credential_of(row)

    async def open(
        self,
        session_id: UUID,
        proven: Credential,
        key: ThrottleKey | None,
        entry: AuditEntry,
        amr: Methods,
        *,
        other_key: ThrottleKey | None = None,
    ) -> Opening:
        """Opens a session, deletes the client's failures and writes the audit entry, or none of it."""
        row = await self.connection.fetchrow(
            _OPEN,
            key and key.account,
            key and key.client,
            session_id,
            proven.user_id,
            proven.password_hash,
            self.limits.idle,
            *arguments(entry),
            proven.second_factor,
            key is None,
            list(amr),
            other_key and other_key.client,
        )
        if row is None:
            return Opening()
        at = row["at"]
        if at is None:
            return Opening(blocked_for=row["blocked_for"])
        session = Session(
            id=session_id,
            user_id=proven.user_id,
            counter=0,
            rotated_at=at,
            created_at=at,
            last_used_at=at,
            expires_at=at + self.limits.idle,
            ended_at=None,
            ip=entry.ip,
            user_agent=entry.user_agent,
            by_passkey=key is None,
            auth_time=at,
            amr=amr,
        )
        has_two = proven.second_factor or session.by_passkey
        locked = LockedSession(session=session, role=Role(row["role"]), at=at, has_two_factors=has_two)
        return Opening(locked=locked)


def _reserved(row: Any) -> ThrottleState:
    """Returns the record in a row of `_RESERVED`."""
    return ThrottleState(
        blocked_for=row["blocked_for"],
        failures=row["failures"],
        counted_at=row["counted_at"],
        is_first=row["is_first"],
    )


def _record(row: Any) -> ThrottleState:
    return ThrottleState(blocked_for=row["blocked_for"], failures=row["failures"])
