"""Binds the repositories to a connection of the pool."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import field
from functools import partial

from chassis.dataclass import dataclass
from chassis.postgres.connection import Connection
from chassis.postgres.pool import Pool
from chassis.postgres.unit_of_work import ConnectionUnit, Repository

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


class PostgresUnitOfWork(ConnectionUnit):
    """`UnitOfWork` on one connection; the outbox works in a transaction only."""

    __slots__ = ("_limits", "_refusals")

    api_keys = Repository(PostgresApiKeys)
    idempotency = Repository(partial(PostgresIdempotency, schema="auth"))
    audit_heads = Repository(PostgresAuditHeads)
    credentials = Repository(PostgresCredentials)
    devices = Repository(PostgresDevices)
    email_changes = Repository(PostgresEmailChanges)
    emails = Repository(PostgresEmails)
    exports = Repository(PostgresExports)
    imports = Repository(PostgresUserImports)
    login_throttle = Repository(PostgresLoginThrottle)
    mails = Repository(PostgresMails)
    passkeys = Repository(PostgresPasskeys)
    retention = Repository(PostgresRetention)
    revocations = Repository(PostgresRevocations)
    second_factors = Repository(PostgresSecondFactors)
    sessions = Repository(PostgresSessions)
    signing_keys = Repository(PostgresSigningKeys)
    outbox = Repository(PostgresOutbox)

    def __init__(
        self,
        connection: Connection,
        limits: SessionLimits = STANDARD,
        refusals: RefusalBounds | None = None,
    ) -> None:
        super().__init__(connection)
        self._limits = limits
        self._refusals = refusals or RefusalBounds()

    @property
    def audit(self) -> PostgresAuditTrail:
        """The audit trail."""
        return PostgresAuditTrail(self.connection, self._refusals)

    @property
    def sign_ins(self) -> PostgresSignIns:
        """The sign-ins."""
        return PostgresSignIns(self.connection, self._limits)


@dataclass(frozen=True, slots=True)
class PostgresUnitsOfWork:
    """`UnitsOfWork` on a pool."""

    pool: Pool
    limits: SessionLimits = STANDARD
    refusals: RefusalBounds = field(default_factory=RefusalBounds)

    def statements(self) -> AbstractAsyncContextManager[PostgresUnitOfWork]:
        """Opens a unit whose statements commit one by one."""
        return self.pool.acquire(self._unit)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresUnitOfWork]:
        """Opens a unit that commits as a whole at the end of the block, or not at all."""
        async with self.pool.transaction() as transaction:
            yield self._unit(transaction)

    def _unit(self, connection: Connection) -> PostgresUnitOfWork:
        return PostgresUnitOfWork(connection, self.limits, self.refusals)
