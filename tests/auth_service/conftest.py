"""The service in this process, on a real Postgres and a real gRPC user-service."""

import base64
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from auth_service.adapters.argon2_hasher import Argon2Hasher
from auth_service.adapters.audit_heads import EcdsaHeadSigner, EcdsaHeadVerifier
from auth_service.adapters.hashing_pool import HashingPool
from auth_service.adapters.hmac_secrets import (
    HmacApiKeys,
    HmacDeviceDigests,
    HmacMailTokens,
    HmacRefreshTokens,
    HmacThrottleKeys,
)
from auth_service.adapters.jwt_signer import JwtSigner
from auth_service.adapters.key_ring import KeyRing
from auth_service.adapters.local_authenticator import LocalAuthenticator
from auth_service.adapters.login_delay import InProcessLoginDelay
from auth_service.adapters.master_key import MasterKey
from auth_service.adapters.postgres.outbox import OUTBOX
from auth_service.adapters.postgres.unit_of_work import PostgresUnitsOfWork
from auth_service.adapters.totp_secrets import TotpSecrets
from auth_service.adapters.user_directory import GrpcUserDirectory
from auth_service.adapters.webauthn_relying_party import WebauthnRelyingParty
from auth_service.pages.documents import Documents
from auth_service.pages.files import PageFiles
from auth_service.usecases.audit_heads import SignAuditHead
from auth_service.usecases.ports import Ports
from auth_service.usecases.signing_keys import EnsureSigningKey
from auth_service.wiring import serving
from chassis.clock import SystemClock
from chassis.events.heartbeat_requests import HeartbeatRequests
from chassis.grpc.call import Call, enter
from chassis.grpc.channel import ServiceChannel, open_channel
from chassis.idempotency.sealed_responses import SealedResponses
from chassis.identity.caller import Caller
from chassis.postgres.pool import Pool, open_pool
from devstack.database import Database as DevelopmentDatabase
from devstack.ports import free_port
from devstack.postgres import Postgres
from devstack.topology import AUTH
from devstack.valkey import Valkey
from vestibule.auth.v1 import (
    account_service_pb2,
    api_key_service_pb2,
    audit_service_pb2,
    auth_service_pb2,
    email_service_pb2,
    key_service_pb2,
    password_service_pb2,
    session_service_pb2,
    token_service_pb2,
)
from vestibule.auth.v1.audit_service_pb2_grpc import AuditServiceStub
from vestibule.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from vestibule.auth.v1.email_service_pb2_grpc import EmailServiceStub
from vestibule.auth.v1.key_service_pb2_grpc import KeyServiceStub
from vestibule.auth.v1.password_service_pb2_grpc import PasswordServiceStub
from vestibule.auth.v1.session_service_pb2_grpc import SessionServiceStub
from vestibule.auth.v1.token_service_pb2_grpc import TokenServiceStub
from vestibule.events.v1.events_pb2 import Event
from vestibule.users.v1 import directory_service_pb2

from tests.auth_service.command_line import Environment
from tests.auth_service.directory_stand_in import DirectoryStandIn
from tests.auth_service.local_service import AT_ONCE, DEVICE_TOKENS, EMAIL, HERE, ISSUER, NAME, PASSWORD
from tests.auth_service.tables import EMPTYING
from tests.auth_service.use_cases import UseCases
from tests.auth_service.zxcvbn_here import POLICY
from tests.databases import emptied
from tests.fakes.service_keys import key_settings, service_tokens

AUDIENCE = "vestibule"
ADMIN_EMAIL = "root@example.com"
ADMIN_PASSWORD = "correct-horse-battery"
MASTER_KEY = MasterKey(b"m" * 32)
API_KEYS = HmacApiKeys(MASTER_KEY.derived("api-keys"))
MAIL_TOKENS = HmacMailTokens(MASTER_KEY.derived("mail-tokens"))
_SERVICES = [
    module.DESCRIPTOR.services_by_name[name]
    for module, name in (
        (auth_service_pb2, "AuthService"),
        (session_service_pb2, "SessionService"),
        (audit_service_pb2, "AuditService"),
        (key_service_pb2, "KeyService"),
        (token_service_pb2, "TokenService"),
        (account_service_pb2, "AccountService"),
        (password_service_pb2, "PasswordService"),
        (email_service_pb2, "EmailService"),
        (api_key_service_pb2, "ApiKeyService"),
    )
]


@dataclass(frozen=True)
class Service:
    """The service as the gateway reaches it.

    Attributes:
        directory: The user-service beside it.
        pool: The service's own pool.
        use_cases: Its use cases, called without the wire.
        channel: From the gateway to it.
        sign_audit_head: What runs each minute.
    """

    directory: DirectoryStandIn
    pool: Pool
    use_cases: UseCases
    channel: ServiceChannel
    sign_audit_head: SignAuditHead

    @property
    def auth(self) -> AuthServiceStub:
        """Signing up, in and out."""
        return AuthServiceStub(self.channel)

    @property
    def sessions(self) -> SessionServiceStub:
        """Where the caller is signed in."""
        return SessionServiceStub(self.channel)

    @property
    def audit(self) -> AuditServiceStub:
        """The chain."""
        return AuditServiceStub(self.channel)

    @property
    def keys(self) -> KeyServiceStub:
        """The public keys."""
        return KeyServiceStub(self.channel)

    @property
    def tokens(self) -> TokenServiceStub:
        """Introspecting tokens."""
        return TokenServiceStub(self.channel)

    @property
    def passwords(self) -> PasswordServiceStub:
        """Getting back in without the password."""
        return PasswordServiceStub(self.channel)

    @property
    def emails(self) -> EmailServiceStub:
        """Verifying addresses."""
        return EmailServiceStub(self.channel)

    def come_as(self, token: str = "", address: str = HERE) -> None:
        """Makes the calls that follow in this test those of a client with this token."""
        caller = Caller(client_address=address, user_agent="test", request_id="request")
        enter(Call(caller=caller, bearer_token=token))

    async def register(self, email: str = EMAIL, password: str = PASSWORD) -> str:
        """Registers a user and returns the id."""
        self.come_as()
        request = auth_service_pb2.RegisterRequest(email=email, password=password, full_name=NAME)
        return (await self.auth.Register(request)).user.id

    async def login(
        self, email: str = EMAIL, password: str = PASSWORD, address: str = HERE
    ) -> auth_service_pb2.Tokens:
        """Signs a user in."""
        self.come_as(address=address)
        request = auth_service_pb2.LoginRequest(email=email, password=password)
        return (await self.auth.Login(request)).tokens

    async def refresh(self, token: str) -> auth_service_pb2.Tokens:
        """Exchanges a refresh token."""
        request = auth_service_pb2.RefreshRequest(refresh_token=token)
        return (await self.auth.Refresh(request)).tokens

    async def events(self) -> list[Event]:
        """Returns what is in the outbox, in order."""
        rows = await self.pool.fetch("SELECT payload FROM auth.outbox ORDER BY position")
        return [Event.FromString(row["payload"]) for row in rows]

    async def actions(self) -> list[tuple[str, str]]:
        """Returns action and outcome of each audit entry, in order."""
        rows = await self.pool.fetch("SELECT action, outcome FROM auth.audit_events ORDER BY sequence")
        return [(row["action"], row["outcome"]) for row in rows]

    async def count(self, table: str) -> int:
        """Returns the number of rows of a table."""
        counted: Any = await self.pool.fetchval(f"SELECT count(*) FROM auth.{table}")
        return int(counted)


@pytest.fixture(name="emptied_database")
async def _emptied_database(postgres: Postgres, migrated: DevelopmentDatabase) -> DevelopmentDatabase:
    """A database without users, shared with other tests: its tables stay as they are."""
    return await emptied(postgres, migrated, AUTH, EMPTYING)


@pytest.fixture(name="pool")
async def _pool(emptied_database: DevelopmentDatabase) -> AsyncIterator[Pool]:
    """The service's own pool, with the role that it has in production."""
    url = emptied_database.url("auth_service")
    async with open_pool(url, application_name="test", max_size=10) as opened:
        yield opened


@pytest.fixture(name="hashing")
async def _hashing() -> AsyncIterator[HashingPool]:
    """A pool whose queue is long enough for every test."""
    async with HashingPool(workers=2, queue_per_worker=100) as hashing:
        yield hashing


@pytest.fixture(name="directory")
async def _directory() -> AsyncIterator[DirectoryStandIn]:
    """A real gRPC user-service with its users in the test's hands."""
    directory = DirectoryStandIn()
    await directory.start()
    yield directory
    await directory.stop()


@pytest.fixture(name="service")
async def _service(pool: Pool, hashing: HashingPool, directory: DirectoryStandIn) -> AsyncIterator[Service]:
    """The service behind a real port."""
    units, clock = PostgresUnitsOfWork(pool), SystemClock()
    await EnsureSigningKey(units, MASTER_KEY, clock)()
    ring = KeyRing(units, MASTER_KEY, clock)
    await ring.load()
    to_users = open_channel(
        directory.address,
        service_tokens=service_tokens(serving.SERVICE),
        services=[directory_service_pb2.DESCRIPTOR.services_by_name["DirectoryService"]],
    )
    ports = Ports(
        units=units,
        directory=GrpcUserDirectory(to_users),
        hasher=Argon2Hasher(hashing, memory_kib=1_024, time_cost=1),
        password_policy=POLICY,
        login_delay=InProcessLoginDelay(),
        after_response=AT_ONCE,
        throttle_keys=HmacThrottleKeys(MASTER_KEY.derived("guess-names")),
        device_tokens=DEVICE_TOKENS,
        device_digests=HmacDeviceDigests(MASTER_KEY.derived("known-devices")),
        signer=JwtSigner(ring, ISSUER, AUDIENCE),
        refresh_tokens=HmacRefreshTokens(MASTER_KEY.derived("refresh-tokens")),
        mail_tokens=MAIL_TOKENS,
        second_factors=TotpSecrets(MASTER_KEY.every("totp-secrets"), MASTER_KEY.every("recovery-codes")),
        relying_party=WebauthnRelyingParty(party_id="issuer.test", name="Vestibule", origins=(ISSUER,)),
        api_key_secrets=API_KEYS,
        response_seal=SealedResponses(
            MASTER_KEY.every("first-answers"), MASTER_KEY.every("first-answer-names")
        ),
        published_keys=ring,
        head_verifier=EcdsaHeadVerifier(units, MASTER_KEY),
        issuer=ISSUER,
        clock=clock,
    )
    authenticator = LocalAuthenticator(
        ring, units, ports.verify_api_key, ports.report_refused_key, issuer=ISSUER, audience=AUDIENCE
    )
    heartbeats = HeartbeatRequests(OUTBOX, pool)
    documents = Documents("Vestibule", PageFiles.load())
    server = serving.serve(service_tokens(serving.SERVICE), ports, authenticator, documents, heartbeats)
    address = f"127.0.0.1:{await server.start('127.0.0.1:0')}"
    server.set_serving(True)
    directory.meet(address)
    channel = open_channel(address, service_tokens=service_tokens("gateway"), services=_SERVICES)
    sign = SignAuditHead(units, EcdsaHeadSigner(ring), ports.head_verifier, clock, timedelta(0))
    service = Service(directory, pool, UseCases(ports, authenticator, heartbeats), channel, sign)
    service.come_as()
    yield service
    await channel.close()
    await server.stop(0)
    await to_users.close()


@pytest.fixture(name="environment")
def _environment(
    emptied_database: DevelopmentDatabase, valkey: Valkey, directory: DirectoryStandIn
) -> Environment:
    """The process' environment; its first admin is `ADMIN_EMAIL` with `ADMIN_PASSWORD`."""
    return {
        "PATH": os.environ["PATH"],
        "AUTH_HTTP_PORT": str(free_port()),
        "AUTH_GRPC_PORT": str(free_port()),
        "AUTH_POSTGRES_URL": emptied_database.url("auth_service"),
        "AUTH_MASTER_KEY": base64.b64encode(b"m" * 32).decode(),
        "AUTH_ISSUER": "http://issuer.test",
        "AUTH_USERS_ADDRESS": directory.address,
        **key_settings("auth-service"),
        "REDIS_URL": valkey.url,
        "BOOTSTRAP_ADMIN_EMAIL": ADMIN_EMAIL,
        "BOOTSTRAP_ADMIN_PASSWORD": ADMIN_PASSWORD,
    }
