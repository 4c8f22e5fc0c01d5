"""user-service in this process, with a real Postgres and a gRPC stand-in for auth-service."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from chassis.auth_client.client import AUTH_CLIENT_SERVICES, AuthClient
from chassis.clock import SystemClock
from chassis.grpc.call import Call, enter
from chassis.grpc.channel import ServiceChannel, open_channel
from chassis.grpc.server import build_server
from chassis.http.destinations import Destinations
from chassis.identity.caller import ANONYMOUS, Caller
from chassis.identity.claims import Claims
from chassis.identity.keys import KeyCache
from chassis.identity.verifier import TokenVerifier
from chassis.postgres.pool import Pool, open_pool
from devstack.database import Database as DevelopmentDatabase
from devstack.postgres import Postgres
from devstack.topology import USERS
from user_service import wiring
from user_service.adapters.accounts import GrpcAccounts
from user_service.adapters.postgres.unit_of_work import PostgresUnitsOfWork
from user_service.adapters.stale_copies import GatheredStaleCopies
from user_service.adapters.webhook_poster import HttpWebhookPoster
from user_service.adapters.webhook_secrets import SealedWebhookSecrets
from user_service.domain.accounts import Accounts
from user_service.domain.user import User
from user_service.transport.directory_servicer import DirectoryServicer
from user_service.transport.user_servicer import UserServicer
from user_service.transport.webhook_servicer import WebhookServicer
from vestibule.auth.v1 import account_service_pb2
from vestibule.events.v1.events_pb2 import AuditRecorded, Event
from vestibule.users.v1 import directory_service_pb2, user_service_pb2, webhook_service_pb2
from vestibule.users.v1.directory_service_pb2_grpc import (
    DirectoryServiceStub,
    add_DirectoryServiceServicer_to_server,
)
from vestibule.users.v1.user_service_pb2_grpc import UserServiceStub, add_UserServiceServicer_to_server
from vestibule.users.v1.webhook_service_pb2_grpc import (
    WebhookServiceStub,
    add_WebhookServiceServicer_to_server,
)

from tests.databases import deleting, emptied
from tests.fakes.service_keys import service_tokens
from tests.user_service import auth_stand_in
from tests.user_service.auth_stand_in import AUDIENCE, ISSUER, AuthStandIn

EMPTYING = deleting("users", "webhooks", "attempts", "users", "tombstones", "outbox")


class VerifyingAuthenticator:
    """Checks the signature alone; revocation is tested with the chassis."""

    def __init__(self, verifier: TokenVerifier) -> None:
        self._verifier = verifier

    async def authenticate(self, token: str) -> Any:
        """Returns the token's claims."""
        return await self._verifier.verify(token)

    async def report_refusal(self, claims: Claims, method: str, sender: Caller) -> None:
        """Ignores it."""


@dataclass(frozen=True)
class Stored:
    """What the database contains.

    Attributes:
        pool: The service's pool.
    """

    pool: Pool

    @property
    def units(self) -> PostgresUnitsOfWork:
        """The units of work."""
        return PostgresUnitsOfWork(self.pool)

    async def add(self, *users: User) -> None:
        """Stores users."""
        async with self.units.transaction() as unit:
            for user in users:
                assert await unit.users.insert(user)

    async def find(self, user: User) -> User | None:
        """Returns a user as committed."""
        async with self.units.statements() as unit:
            return await unit.users.find(user.id)

    async def events(self) -> list[Event]:
        """Returns the events in the outbox, in order."""
        rows = await self.pool.fetch("SELECT payload FROM users.outbox ORDER BY position")
        return [Event.FromString(row["payload"]) for row in rows]

    async def changed(self) -> list[UUID]:
        """Returns the ids of changed users, by the events in the outbox."""
        return [
            UUID(event.user_changed.user_id)
            for event in await self.events()
            if event.HasField("user_changed")
        ]

    async def entries(self) -> list[AuditRecorded]:
        """Returns the audit entries in the outbox."""
        return [event.audit_recorded for event in await self.events() if event.HasField("audit_recorded")]

    async def audited(self) -> list[tuple[str, str]]:
        """Returns action and outcome of each audit entry in the outbox."""
        return [(entry.action, entry.outcome) for entry in await self.entries()]


@dataclass(frozen=True)
class Service(Stored):
    """The running service, and channels to it.

    Attributes:
        auth: The auth-service that it calls.
        accounts: Its port to that.
        channel: From the gateway to it.
        internal: From auth-service to it.
    """

    auth: AuthStandIn
    accounts: Accounts
    channel: ServiceChannel
    internal: ServiceChannel

    @property
    def users(self) -> UserServiceStub:
        """UserService, called by the gateway."""
        return UserServiceStub(self.channel)

    @property
    def webhooks(self) -> WebhookServiceStub:
        """WebhookService, called by the gateway."""
        return WebhookServiceStub(self.channel)

    @property
    def directory(self) -> DirectoryServiceStub:
        """DirectoryService, called by auth-service."""
        return DirectoryServiceStub(self.internal)

    def sign_in(self, user: User | None) -> None:
        """Makes the following calls of this test the user's."""
        token = "" if user is None else self.auth.token(user.id, user.role)
        enter(Call(caller=ANONYMOUS, bearer_token=token))


@pytest.fixture(name="emptied_database")
async def _emptied_database(postgres: Postgres, migrated: DevelopmentDatabase) -> DevelopmentDatabase:
    """A database without rows, shared with other tests, which must not alter its tables."""
    return await emptied(postgres, migrated, USERS, EMPTYING)


@pytest.fixture(name="users_pool")
async def _users_pool(emptied_database: DevelopmentDatabase) -> AsyncIterator[Pool]:
    """The service's pool, with its production role."""
    url = emptied_database.url("user_service")
    async with open_pool(url, application_name="test", max_size=10) as opened:
        yield opened


@pytest.fixture(name="auth")
async def _auth() -> AsyncIterator[AuthStandIn]:
    """A gRPC auth-service whose responses the test sets."""
    async with auth_stand_in.serving() as auth:
        yield auth


@pytest.fixture(name="service")
async def _service(users_pool: Pool, auth: AuthStandIn) -> AsyncIterator[Service]:
    """The service on a real port."""
    to_auth = open_channel(
        auth.address,
        service_tokens=service_tokens(wiring.SERVICE),
        services=(
            *AUTH_CLIENT_SERVICES,
            account_service_pb2.DESCRIPTOR.services_by_name["AccountService"],
        ),
    )
    keys = KeyCache(AuthClient(to_auth).keys)
    authenticator = VerifyingAuthenticator(TokenVerifier(keys, issuer=ISSUER, audience=AUDIENCE))
    units, accounts, clock = PostgresUnitsOfWork(users_pool), GrpcAccounts(to_auth), SystemClock()
    server = build_server(service_tokens=service_tokens(wiring.SERVICE), authenticator=authenticator)
    server.add(add_UserServiceServicer_to_server, UserServicer(units, accounts, clock))
    server.add(
        add_DirectoryServiceServicer_to_server,
        DirectoryServicer(units, accounts, GatheredStaleCopies(units), clock),
    )
    secrets, poster = SealedWebhookSecrets([b"k" * 32]), HttpWebhookPoster(Destinations())
    server.add(add_WebhookServiceServicer_to_server, WebhookServicer(units, secrets, poster, clock))
    port = await server.start("127.0.0.1:0")
    server.set_serving(True)
    channels = {
        name: open_channel(
            f"127.0.0.1:{port}",
            service_tokens=service_tokens(name),
            services=(
                user_service_pb2.DESCRIPTOR.services_by_name["UserService"],
                webhook_service_pb2.DESCRIPTOR.services_by_name["WebhookService"],
                directory_service_pb2.DESCRIPTOR.services_by_name["DirectoryService"],
            ),
        )
        for name in ("gateway", "auth-service")
    }
    yield Service(users_pool, auth, accounts, channels["gateway"], channels["auth-service"])
    for channel in (*channels.values(), to_auth):
        await channel.close()
    await server.stop(0)
