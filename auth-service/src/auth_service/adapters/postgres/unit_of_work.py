"""Binds the repositories to a connection of the pool."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from chassis.postgres.connection import Connection
from chassis.postgres.pool import Pool

from auth_service.adapters.postgres.api_keys import PostgresApiKeys
from auth_service.adapters.postgres.audit import PostgresAuditHeads, PostgresAuditTrail, RefusalBounds
from auth_service.adapters.postgres.credentials import PostgresCredentials
from auth_service.adapters.postgres.devices import PostgresDevices
from auth_service.adapters.postgres.email_addresses import PostgresEmailChanges, PostgresEmails
from auth_service.adapters.postgres.exports import PostgresExports
from auth_service.adapters.postgres.idempotency import PostgresIdempotency
from auth_service.adapters.postgres.mails import PostgresMails
from auth_service.adapters.postgres.outbox import PostgresOutbox
from auth_service.adapters.postgres.passkeys import PostgresPasskeys
from auth_service.adapters.postgres.retention import PostgresRetention
from auth_service.adapters.postgres.revocations import PostgresRevocations
from auth_service.adapters.postgres.second_factors import PostgresSecondFactors
from auth_service.adapters.postgres.sessions import PostgresSessions
from auth_service.adapters.postgres.sign_ins import PostgresLoginThrottle, PostgresSignIns
from auth_service.adapters.postgres.signing_keys import PostgresSigningKeys
from auth_service.adapters.postgres.user_imports import PostgresUserImports
from auth_service.domain.session import STANDARD, SessionLimits


class PostgresUnitOfWork:
    """`UnitOfWork` on one connection; the outbox works in a transaction only."""

    __slots__ = (
        "api_keys",
        "audit",
        "audit_heads",
        "credentials",
        "devices",
        "email_changes",
        "emails",
        "exports",
        "idempotency",
        "imports",
        "login_throttle",
        "mails",
        "outbox",
        "passkeys",
        "retention",
        "revocations",
        "second_factors",
        "sessions",
        "sign_ins",
        "signing_keys",
    )

    def __init__(
        self,
        connection: Connection,
        limits: SessionLimits = STANDARD,
        refusals: RefusalBounds | None = None,
    ) -> None:
        self.api_keys = PostgresApiKeys(connection)
        self.idempotency = PostgresIdempotency(connection, "auth")
        self.audit = PostgresAuditTrail(connection, refusals or RefusalBounds())
        self.audit_heads = PostgresAuditHeads(connection)
        self.credentials = PostgresCredentials(connection)
        self.devices = PostgresDevices(connection)
        self.email_changes = PostgresEmailChanges(connection)
        self.emails = PostgresEmails(connection)
        self.exports = PostgresExports(connection)
        self.imports = PostgresUserImports(connection)
        self.login_throttle = PostgresLoginThrottle(connection)
        self.mails = PostgresMails(connection)
        self.passkeys = PostgresPasskeys(connection)
        self.retention = PostgresRetention(connection)
        self.revocations = PostgresRevocations(connection)
        self.second_factors = PostgresSecondFactors(connection)
        self.sessions = PostgresSessions(connection)
        self.sign_ins = PostgresSignIns(connection, limits)
        self.signing_keys = PostgresSigningKeys(connection)
        self.outbox = PostgresOutbox(connection)


@dataclass(frozen=True, slots=True)
class PostgresUnitsOfWork:
    """`UnitsOfWork` on a pool."""

    pool: Pool
    limits: SessionLimits = STANDARD
    refusals: RefusalBounds = field(default_factory=RefusalBounds)

    @asynccontextmanager
    async def statements(self) -> AsyncIterator[PostgresUnitOfWork]:
        """Opens a unit whose statements commit one by one."""
        async with self.pool.acquire() as connection:
            yield PostgresUnitOfWork(connection, self.limits, self.refusals)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresUnitOfWork]:
        """Opens a unit that commits as a whole at the end of the block, or not at all."""
        async with self.pool.transaction() as transaction:
            yield PostgresUnitOfWork(transaction, self.limits, self.refusals)
