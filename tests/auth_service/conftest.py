"""The service in this process, on a real Postgres and a real gRPC user-service."""

import base64
import os
from collections.abc import AsyncIterator
from datetime import timedelta

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
from chassis.events.early_publisher import EarlyPublisher
from chassis.events.heartbeat_requests import HeartbeatRequests
from chassis.grpc.channel import open_channel
from chassis.idempotency.sealed_responses import SealedResponses
from chassis.postgres.pool import Pool, open_pool
from chassis.redis import RedisClient
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
from vestibule.users.v1 import directory_service_pb2

from tests.auth_service.command_line import Environment
from tests.auth_service.directory_stand_in import DirectoryStandIn
from tests.auth_service.local_service import AT_ONCE, DEVICE_TOKENS, ISSUER
from tests.auth_service.service import Service
from tests.auth_service.tables import EMPTYING
from tests.auth_service.use_cases import UseCases
from tests.auth_service.zxcvbn_here import POLICY
from tests.databases import emptied
from tests.fakes.service_keys import key_settings, service_keys, service_tokens

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
async def _service(
    pool: Pool, hashing: HashingPool, directory: DirectoryStandIn, shared_valkey: Valkey
) -> AsyncIterator[Service]:
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
    redis = RedisClient(shared_valkey.url, client_name=serving.SERVICE, timeout_seconds=1)
    publisher = EarlyPublisher(service_keys(serving.SERVICE), redis)
    server = serving.serve(
        service_tokens(serving.SERVICE),
        ports,
        authenticator,
        documents,
        heartbeats=heartbeats,
        publisher=publisher,
    )
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
    redis.close()
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
