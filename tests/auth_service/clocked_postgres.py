"""Postgres for the use-case tests: the migrated schema, with the time in the test's hands.

Statements say `now()` and `clock_timestamp()`. In this database a schema that is searched before
`pg_catalog` has functions of these names, which return the time of the test's clock. Connections live as
long as the test worker, and every test begins with empty tables: both together take some milliseconds.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import asyncpg
from auth_service.adapters.postgres import audit, credentials, sessions
from auth_service.adapters.postgres.unit_of_work import PostgresUnitOfWork, PostgresUnitsOfWork
from auth_service.domain.audit import AuditEntry, ChainedEntry
from auth_service.domain.audit_head import SignedHead
from auth_service.domain.credential import Credential
from auth_service.domain.events import (
    CopyOutdated,
    EmailVerified,
    Event,
    RegistrationStarted,
    SignedIn,
    TokensRevoked,
)
from auth_service.domain.mail import MailKind
from auth_service.domain.session import Session, SessionLimits
from auth_service.domain.tokens import Revocation, from_unix_milliseconds
from chassis.postgres.pool import Pool, open_pool
from devstack.database import Database as DevelopmentDatabase
from devstack.postgres import Postgres
from vestibule.events.v1 import events_pb2

from tests.auth_service.tables import EMPTYING, TABLES
from tests.fakes.auth_service.clock import FakeClock

NAME = "auth_service_use_cases"

_CLOCK = """
CREATE SCHEMA test_clock;
CREATE TABLE test_clock.present (at timestamptz NOT NULL);
INSERT INTO test_clock.present VALUES (pg_catalog.now());
CREATE FUNCTION test_clock.now() RETURNS timestamptz LANGUAGE sql STABLE
    AS 'SELECT at FROM test_clock.present';
CREATE FUNCTION test_clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql STABLE
    AS 'SELECT at FROM test_clock.present';
GRANT USAGE ON SCHEMA test_clock TO auth_service;
GRANT SELECT ON test_clock.present TO auth_service;
DO $$
DECLARE
    changed record;
BEGIN
    FOR changed IN SELECT table_name, column_name FROM information_schema.columns
                    WHERE table_schema = 'auth' AND column_default = 'now()' LOOP
        EXECUTE format('ALTER TABLE auth.%I ALTER COLUMN %I SET DEFAULT test_clock.now()',
                       changed.table_name, changed.column_name);
    END LOOP;
END $$;
"""


@dataclass
class AuditLog:
    """The audit log as an attacker with the owner's password can change it.

    Attributes:
        entries: The chain, oldest first.
        heads: The signed heads by their sequence number.
    """

    entries: list[ChainedEntry]
    heads: dict[int, SignedHead]


class ClockedPostgres:
    """The database of one test worker.

    Attributes:
        pool: With the role that the service has.
    """

    def __init__(self, pool: Pool, admin: Any) -> None:
        self.pool = pool
        self._admin = admin
        self._at: datetime | None = None
        self._setting = asyncio.Lock()

    async def empty(self) -> None:
        """Deletes every row of every table."""
        await self._admin.execute(EMPTYING)

    async def set_time(self, at: datetime) -> None:
        """Makes this the present time."""
        async with self._setting:
            if at != self._at:
                await self._admin.execute("UPDATE test_clock.present SET at = $1", at)
                self._at = at

    async def rows(self, table: str) -> list[Any]:
        """Returns the rows of a table, ordered by its first column, with a column as an attribute each."""
        rows = await self._admin.fetch(f"SELECT * FROM auth.{table} ORDER BY 1")
        return [SimpleNamespace(**row) for row in rows]

    async def everything(self) -> dict[str, list[Any]]:
        """Returns the rows of every table."""
        return {table: await self.rows(table) for table in TABLES}

    async def credential(self, user_id: UUID) -> Credential:
        """Returns a user's credential."""
        row = await self._admin.fetchrow(credentials.SELECT + " WHERE user_id = $1", user_id)
        return credentials.credential_of(row)

    async def session(self, session_id: UUID | None) -> Session:
        """Returns a session."""
        row = await self._admin.fetchrow("SELECT * FROM auth.sessions WHERE id = $1", session_id)
        return sessions.session_of(row)

    async def queued(self, user_id: UUID | None = None) -> Sequence[MailKind]:
        """Returns the kinds of the queued mails, those to one user or all."""
        return [row.kind for row in await self.rows("mails") if user_id in (None, row.user_id)]

    async def revocations(self) -> list[Revocation]:
        """Returns the revocations of sessions and users, in order."""
        rows = await self._admin.fetch(
            "SELECT session_id, user_id, issued_until, expires_at FROM auth.revocations ORDER BY position"
        )
        return [Revocation(**row) for row in rows]

    async def events(self) -> list[Event]:
        """Returns the events in the outbox, in order."""
        return [_event(events_pb2.Event.FromString(row.payload)) for row in await self.rows("outbox")]

    async def entries(self) -> list[ChainedEntry]:
        """Returns the audit log, oldest entry first."""
        return [audit.chained_of(row) for row in await self._admin.fetch(audit.SELECT + " ORDER BY sequence")]

    async def audited(self, action: str | None = None) -> list[AuditEntry]:
        """Returns the audit entries of one action or all, oldest first."""
        return [row.entry for row in await self.entries() if action in (None, row.entry.action)]

    async def actions(self) -> list[tuple[str, str]]:
        """Returns action and outcome of each audit entry, in order."""
        return [(entry.action, entry.outcome) for entry in await self.audited()]

    @asynccontextmanager
    async def audit_log(self) -> AsyncIterator[AuditLog]:
        """Lends the audit log, and stores at the end of the block what became of it."""
        heads = await self.rows("audit_heads")
        log = AuditLog(await self.entries(), {head.sequence: SignedHead(**vars(head)) for head in heads})
        yield log
        await self._admin.execute("DELETE FROM auth.audit_events; DELETE FROM auth.audit_heads")
        await self._admin.executemany(
            "INSERT INTO auth.audit_events VALUES ($1, $2, $3, $4, $5, $6, $7, '', '', '', $8, $9)",
            [
                (each.sequence, *audit.arguments(each.entry)[:6], dict(each.entry.details), each.hash)
                for each in log.entries
            ],
        )
        await self._admin.executemany(
            "INSERT INTO auth.audit_heads (sequence, hash, at, kid, signature) VALUES ($1, $2, $3, $4, $5)",
            [(each.sequence, each.hash, each.at, each.kid, each.signature) for each in log.heads.values()],
        )


@asynccontextmanager
async def open_clocked_postgres(
    postgres: Postgres, migrated: DevelopmentDatabase
) -> AsyncIterator[ClockedPostgres]:
    """Makes the database and connects to it."""
    server = await asyncpg.connect(postgres.url())
    template = migrated.admin_url.rpartition("/")[2]
    await server.execute(f"CREATE DATABASE {NAME} TEMPLATE {template} STRATEGY file_copy")
    await server.execute(
        f"ALTER ROLE auth_service IN DATABASE {NAME} SET search_path = test_clock, pg_catalog"
    )
    await server.close()
    database = DevelopmentDatabase(postgres.url(database=NAME), migrated.passwords)
    admin = await asyncpg.connect(database.admin_url)
    await admin.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads)
    await admin.execute(_CLOCK)
    async with open_pool(database.url("auth_service"), application_name="test", max_size=4) as pool:
        yield ClockedPostgres(pool, admin)
    await admin.close()


class ClockedUnitsOfWork:
    """`UnitsOfWork` on a database whose time is that of a clock."""

    def __init__(self, database: ClockedPostgres, clock: FakeClock, limits: SessionLimits) -> None:
        self.database = database
        self._clock = clock
        self._units = PostgresUnitsOfWork(database.pool, limits)
        self._held: Counter[object] = Counter()

    @property
    def holds_connection(self) -> bool:
        """Whether the running task holds a connection, as it must not do while it waits for anything else."""
        return self._held[asyncio.current_task()] > 0

    @asynccontextmanager
    async def statements(self) -> AsyncIterator[PostgresUnitOfWork]:
        """Opens a unit whose statements commit one by one."""
        async with self._holding(), self._units.statements() as unit:
            yield unit

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresUnitOfWork]:
        """Opens a unit that commits as a whole at the end of the block, or not at all."""
        async with self._holding(), self._units.transaction() as unit:
            yield unit

    @asynccontextmanager
    async def _holding(self) -> AsyncIterator[None]:
        await self.database.set_time(self._clock.now())
        task = asyncio.current_task()
        self._held[task] += 1
        try:
            yield
        finally:
            self._held[task] -= 1


def _event(message: events_pb2.Event) -> Event:
    """Returns the domain's event in a message."""
    match message.WhichOneof("payload"):
        case "registration_started":
            return RegistrationStarted(UUID(message.registration_started.user_id))
        case "signed_in":
            at = message.signed_in.signed_in_at.ToDatetime(UTC)
            return SignedIn(UUID(message.signed_in.user_id), at)
        case "email_verified":
            return EmailVerified(UUID(message.email_verified.user_id))
        case "user_changed":
            return CopyOutdated(UUID(message.user_changed.user_id))
        case _:
            return TokensRevoked(_revocation(message.tokens_revoked))


def _revocation(message: events_pb2.TokensRevoked) -> Revocation:
    return Revocation(
        session_id=UUID(message.session_id) if message.session_id else None,
        user_id=UUID(message.user_id) if message.user_id else None,
        every_session=message.every_session,
        kept_session_id=UUID(message.kept_session_id) if message.kept_session_id else None,
        issued_until=from_unix_milliseconds(message.issued_until_milliseconds),
        expires_at=from_unix_milliseconds(message.expires_at_milliseconds),
    )
