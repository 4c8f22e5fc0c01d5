"""Sign-ins in Postgres: one statement before the password is checked, one after.

A sign-in is to cost little more than its hash, and each round trip is a tenth of a
millisecond, so what other repositories do in steps is done here at once.
"""

from dataclasses import dataclass
from uuid import UUID

from chassis.postgres.connection import Connection

from auth_service.adapters.postgres.audit import arguments
from auth_service.adapters.postgres.credentials import credential_of
from auth_service.adapters.postgres.guesses import RESERVED, reservation, reserved_of
from auth_service.domain.audit import AuditEntry
from auth_service.domain.credential import Credential
from auth_service.domain.login_throttle import GuessKey, GuessRecord
from auth_service.domain.proof import Methods
from auth_service.domain.session import STANDARD, Opening, Session, SessionLimits, Standing
from auth_service.domain.user import Role


@dataclass(frozen=True, slots=True)
class PostgresSignIns:
    """`SignInRepository` on one connection."""

    connection: Connection
    limits: SessionLimits = STANDARD

    async def look_up(self, canonical: str, key: GuessKey) -> tuple[GuessRecord, Credential | None]:
        """Counts a guess, returns what is held and the credential: the same work for all."""
        row = await self.connection.fetchrow(
            f"""
            WITH {RESERVED}
            SELECT guesses.*, known.*
              FROM guesses
              LEFT JOIN (SELECT user_id, email, password_hash, role, is_active, is_pending, version,
                                second_factor, email_verified, is_invited
                           FROM auth.credentials WHERE email_canonical = $6) AS known ON true
            """,  # noqa: S608 of constants
            *reservation(key),
            canonical,
        )
        assert row is not None  # noqa: S101 an aggregate always answers
        return reserved_of(row), None if row["user_id"] is None else credential_of(row)

    async def open(
        self, session_id: UUID, judged: Credential, key: GuessKey | None, entry: AuditEntry, amr: Methods
    ) -> Opening:
        """Opens a session, forgives the client's wrong guesses and writes the entry, or none of it."""
        # The clock is read in a step of its own, which cannot begin before the credential is
        # locked. The entry comes last, when both changes are made: it takes the chain's lock.
        row = await self.connection.fetchrow(
            """
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
                 WHERE account = $1 AND client = $2 AND EXISTS (SELECT FROM moment)
                RETURNING client
            )
            SELECT moment.role, moment.at, NULL::interval AS blocked_for,
                   auth.append_audit_entry($7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
              FROM moment, (SELECT count(*) FROM opened) AS first, (SELECT count(*) FROM forgiven) AS second
             UNION ALL
            SELECT NULL, NULL, blocked_for, NULL FROM blocked
            """,
            key and key.account,
            key and key.client,
            session_id,
            judged.user_id,
            judged.password_hash,
            self.limits.idle,
            *arguments(entry),
            judged.second_factor,
            key is None,
            list(amr),
        )
        if row is None:
            return Opening()
        at = row["at"]
        if at is None:
            return Opening(blocked_for=row["blocked_for"])
        session = Session(
            id=session_id,
            user_id=judged.user_id,
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
        guarded = judged.second_factor or session.by_passkey
        return Opening(standing=Standing(session=session, role=Role(row["role"]), at=at, guarded=guarded))
