"""Which part stands for which port: the one module that names the concrete ones."""

from functools import partial

from chassis.clock import SystemClock
from chassis.events.consumer import Consumer
from chassis.events.relay import Relay
from chassis.grpc.certificates import Certificates, open_certificates
from chassis.grpc.channel import ServiceChannel, open_channel
from chassis.grpc.server import GrpcServer, build_server
from chassis.identity.service_keys import ServiceKeys, open_service_keys
from chassis.identity.service_tokens import ServiceTokens
from chassis.lifecycle import Lifecycle
from chassis.postgres import revision
from chassis.postgres.pool import Pool, open_pool
from vestibule.auth.v1.account_service_pb2_grpc import add_AccountServiceServicer_to_server
from vestibule.auth.v1.audit_service_pb2_grpc import add_AuditServiceServicer_to_server
from vestibule.auth.v1.auth_service_pb2_grpc import add_AuthServiceServicer_to_server
from vestibule.auth.v1.key_service_pb2_grpc import add_KeyServiceServicer_to_server
from vestibule.auth.v1.session_service_pb2_grpc import add_SessionServiceServicer_to_server
from vestibule.auth.v1.token_service_pb2_grpc import add_TokenServiceServicer_to_server
from vestibule.users.v1 import directory_service_pb2

from auth_service.adapters.argon2_hasher import Argon2Hasher
from auth_service.adapters.audit_heads import EcdsaHeadVerifier
from auth_service.adapters.background_tasks import BackgroundTasks
from auth_service.adapters.hashing_pool import HashingPool, usable_cores
from auth_service.adapters.hmac_secrets import (
    HmacApiKeys,
    HmacDeviceDigests,
    HmacDeviceTokens,
    HmacMailTokens,
    HmacRefreshTokens,
    HmacThrottleKeys,
)
from auth_service.adapters.jwt_signer import JwtSigner
from auth_service.adapters.key_ring import KeyRing
from auth_service.adapters.local_authenticator import LocalAuthenticator
from auth_service.adapters.login_delay import InProcessLoginDelay
from auth_service.adapters.master_key import MasterKey
from auth_service.adapters.postgres.mails import measure_backlog
from auth_service.adapters.postgres.master_keys import note_use
from auth_service.adapters.postgres.outbox import OUTBOX
from auth_service.adapters.postgres.unit_of_work import PostgresUnitsOfWork
from auth_service.adapters.sealed_answers import SealedAnswers
from auth_service.adapters.user_directory import GrpcUserDirectory
from auth_service.domain.retention import AuditRetention
from auth_service.domain.rights import RightsRule
from auth_service.settings import AuthSettings
from auth_service.transport import schedule
from auth_service.transport.account_servicer import AccountServicer
from auth_service.transport.audit_servicer import AuditServicer
from auth_service.transport.auth_servicer import AuthServicer
from auth_service.transport.event_handlers import audit_events, event_handlers
from auth_service.transport.idempotency import IdempotencyInterceptor
from auth_service.transport.key_servicer import KeyServicer
from auth_service.transport.session_servicer import SessionServicer
from auth_service.transport.token_servicer import TokenServicer
from auth_service.wiring.api_keys import ApiKeyUseCases, add_api_key_servicer, build_api_key_use_cases
from auth_service.wiring.audit import begin_signing, open_witness
from auth_service.wiring.keys import begin_rotation, key_ring, open_keys, totp_secrets
from auth_service.wiring.mail import add_mail_servicers, begin_sending
from auth_service.wiring.mfa import add_mfa_servicer
from auth_service.wiring.passkeys import add_passkey_servicer, relying_party
from auth_service.wiring.passwords import open_password_policy
from auth_service.wiring.use_cases import Ports, UseCases, build_use_cases
from auth_service.wiring.user_access import add_user_access_servicer

SERVICE = "auth-service"
PACKAGE = "auth_service"
SCHEMA = "auth"

PURGE_SECONDS = 60.0
FINISH_SECONDS = 60.0
MAIL_BACKLOG_SECONDS = 5.0


def add_servicers(server: GrpcServer, does: UseCases) -> None:
    """Adds every service to a server."""
    server.add(
        add_AuthServiceServicer_to_server,
        AuthServicer(
            register=does.register,
            login=does.login,
            reauthenticate=does.reauthenticate,
            refresh=does.refresh,
            logout=does.logout,
            logout_all=does.logout_all,
            change_password=does.change_password,
        ),
    )
    server.add(add_SessionServiceServicer_to_server, SessionServicer(does.list_sessions, does.end_session))
    server.add(
        add_AuditServiceServicer_to_server,
        AuditServicer(does.list_audit_events, does.verify_audit_events, does.list_audit_heads),
    )
    server.add(add_KeyServiceServicer_to_server, KeyServicer(does.get_jwks, does.get_openid_configuration))
    server.add(
        add_TokenServiceServicer_to_server,
        TokenServicer(does.list_revocations, does.introspect_token, does.api_keys.report_refused_key),
    )
    server.add(
        add_AccountServiceServicer_to_server,
        AccountServicer(
            get_registration=does.get_registration,
            refuse_registration=does.refuse_registration,
            sync_account=does.sync_account,
            verify_password=does.verify_password,
            export_account=does.export_account,
            export_audit_events=does.export_audit_events,
        ),
    )
    add_mail_servicers(server, does.mail)
    add_api_key_servicer(server, does.api_keys)
    add_mfa_servicer(server, does.mfa)
    add_passkey_servicer(server, does.passkeys)
    add_user_access_servicer(server, does.user_access)


async def start(lifecycle: Lifecycle, settings: AuthSettings) -> None:
    """Starts the service on a lifecycle: returns once it serves.

    Raises:
        StartupError: a port, Postgres, the schema or the master key is not as it must be.
    """
    units, clock = await _open_database(lifecycle, settings), SystemClock()
    service_tokens = ServiceTokens(open_service_keys(SERVICE, settings))
    master_key = MasterKey(*settings.master_keys)
    ring = key_ring(settings, units, master_key)
    await open_keys(ring)
    head_verifier = EcdsaHeadVerifier(units, master_key)
    key_secrets = HmacApiKeys(*master_key.every("api-keys"))
    rights_of = RightsRule(admins_need_second_factor=settings.is_strict)
    api_keys = build_api_key_use_cases(units, key_secrets, settings.address_rule, rights_of, clock)
    authenticator = _local_authenticator(settings, ring, units, api_keys)
    certificates = open_certificates(settings.tls_files)
    channel = await _open_users(lifecycle, settings, service_tokens, certificates)
    witness = await open_witness(lifecycle, settings, service_tokens, certificates)
    hasher = await _open_hasher(lifecycle, settings)
    mail_tokens = HmacMailTokens(*master_key.every("mail-tokens"))
    does = build_use_cases(
        Ports(
            units=units,
            directory=GrpcUserDirectory(channel),
            hasher=hasher,
            password_policy=await open_password_policy(lifecycle, settings),
            login_delay=InProcessLoginDelay(),
            background=await lifecycle.enter(BackgroundTasks()),
            throttle_keys=HmacThrottleKeys(*master_key.every("guess-names")),
            device_tokens=HmacDeviceTokens(*master_key.every("device-tokens")),
            signer=JwtSigner(ring, settings.issuer, settings.audience),
            refresh_tokens=HmacRefreshTokens(*master_key.every("refresh-tokens")),
            mail_tokens=mail_tokens,
            device_digests=HmacDeviceDigests(*master_key.every("known-devices")),
            notices=settings.notices,
            second_factors=totp_secrets(master_key),
            relying_party=relying_party(settings),
            response_seal=SealedAnswers(
                master_key.every("first-answers"), master_key.every("first-answer-names")
            ),
            published_keys=ring,
            head_verifier=head_verifier,
            audit_witness=witness,
            audit_retention=AuditRetention(settings.audit_retention_years),
            limits=settings.limits,
            rights_of=rights_of,
            address_rule=settings.address_rule,
            authenticator=authenticator,
            issuer=settings.issuer,
            clock=clock,
            names_ended_sessions=service_tokens.accepts_shared,
        ),
        api_keys,
    )
    interceptor = IdempotencyInterceptor(does.run_once).around
    server = build_server(service_tokens=service_tokens, authenticator=authenticator, interceptor=interceptor)
    add_servicers(server, does)
    await _open_server(lifecycle, settings, server, certificates)
    _begin_background(lifecycle, settings, service_tokens.keys, does, units.pool)
    begin_sending(lifecycle, settings, SERVICE, units, mail_tokens)
    await note_use(units.pool, master_key.key_id)
    begin_rotation(lifecycle, settings, ring, units.pool)
    begin_signing(lifecycle, settings, ring, head_verifier, witness)
    lifecycle.begin("verification keys", authenticator.keys.run())
    server.set_serving(True)


async def _open_hasher(lifecycle: Lifecycle, settings: AuthSettings) -> Argon2Hasher:
    workers = settings.hash_workers or usable_cores()
    pool = await lifecycle.enter(HashingPool(workers=workers, queue_per_worker=settings.hash_queue))
    return Argon2Hasher(pool, memory_kib=settings.argon2_memory_kib, time_cost=settings.argon2_time_cost)


async def _open_users(
    lifecycle: Lifecycle,
    settings: AuthSettings,
    service_tokens: ServiceTokens,
    certificates: Certificates | None,
) -> ServiceChannel:
    """Opens the channel to user-service."""
    return await lifecycle.enter(
        open_channel(
            settings.users_address,
            service_tokens=service_tokens,
            services=[directory_service_pb2.DESCRIPTOR.services_by_name["DirectoryService"]],
            credentials=certificates,
        )
    )


def _local_authenticator(
    settings: AuthSettings, ring: KeyRing, units: PostgresUnitsOfWork, api_keys: ApiKeyUseCases
) -> LocalAuthenticator:
    return LocalAuthenticator(
        ring,
        units,
        api_keys.verify_api_key,
        api_keys.report_refused_key,
        issuer=settings.issuer,
        audience=settings.audience,
    )


async def _open_database(lifecycle: Lifecycle, settings: AuthSettings) -> PostgresUnitsOfWork:
    pool = await lifecycle.enter(
        open_pool(
            settings.postgres_url.get_secret_value(),
            application_name=SERVICE,
            max_size=settings.postgres_pool_size,
        )
    )
    await revision.require(pool, schema=SCHEMA, package=PACKAGE)
    return PostgresUnitsOfWork(pool, settings.limits)


async def _open_server(
    lifecycle: Lifecycle, settings: AuthSettings, server: GrpcServer, certificates: Certificates | None
) -> None:
    """Opens the port; the server stops with the lifecycle."""
    await server.start(f"{settings.grpc_host}:{settings.grpc_port}", certificates)
    lifecycle.on_drain(server.drain)
    lifecycle.on_stop(server.stop)


def _begin_background(
    lifecycle: Lifecycle, settings: AuthSettings, keys: ServiceKeys, does: UseCases, pool: Pool
) -> None:
    """Begins what runs beside the server: events out and in, jobs, and the first admin."""
    redis_url = settings.redis_url.get_secret_value()
    postgres_url = settings.postgres_url.get_secret_value()
    relay = Relay(OUTBOX, keys=keys, postgres_url=postgres_url, redis_url=redis_url)
    handlers = event_handlers(
        sync_account=does.sync_account,
        record_audit=does.record_audit,
        report_email_verified=does.mail.report_email_verified,
    )
    consumer = Consumer(
        group=SERVICE,
        handlers=handlers,
        keys=keys,
        redis_url=redis_url,
        audit=partial(audit_events, does.record_audit),
    )
    lifecycle.begin("outbox relay", relay.run())
    lifecycle.begin("event consumer", consumer.run())
    lifecycle.begin("retention", schedule.every(PURGE_SECONDS, "retention", does.purge_expired))
    lifecycle.begin(
        "stale registrations",
        schedule.every(FINISH_SECONDS, "stale registrations", does.finish_stale_registrations),
    )
    finish = does.user_access.end_all_sessions.finish
    lifecycle.begin("unended sessions", schedule.every(FINISH_SECONDS, "unended sessions", finish))
    measure = partial(measure_backlog, pool)
    lifecycle.begin("mail backlog", schedule.every(MAIL_BACKLOG_SECONDS, "mail backlog", measure))
    email, password = settings.bootstrap_admin_email, settings.bootstrap_admin_password
    if email is not None and password is not None:
        job = schedule.bootstrap(does.bootstrap_admin, email, password.get_secret_value())
        lifecycle.begin("bootstrap admin", job)
