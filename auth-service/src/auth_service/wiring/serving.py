"""Starts the service: its servicers, the jobs beside them, and their order."""

from datetime import timedelta
from functools import partial

import structlog
from chassis.events.consumer import Consumer
from chassis.events.early_publisher import EarlyPublisher
from chassis.events.heartbeat_requests import HeartbeatRequests
from chassis.events.relay import Relay
from chassis.grpc.certificates import open_certificates
from chassis.grpc.server import GrpcServer, build_server
from chassis.idempotency.interceptor import IdempotencyInterceptor
from chassis.idempotency.run_once import RunOnce
from chassis.identity.service_keys import ServiceKeys, open_service_keys
from chassis.identity.service_tokens import ServiceTokens
from chassis.lifecycle import Lifecycle
from chassis.postgres import revision
from chassis.postgres.master_keys import RECORDED_EVERY, record_use
from chassis.postgres.pool import Pool, open_pool
from chassis.redis import open_redis
from vestibule.auth.v1 import (
    account_service_pb2_grpc,
    api_key_service_pb2_grpc,
    audit_service_pb2_grpc,
    auth_service_pb2_grpc,
    email_service_pb2_grpc,
    key_service_pb2_grpc,
    mfa_service_pb2_grpc,
    page_service_pb2_grpc,
    passkey_service_pb2_grpc,
    password_service_pb2_grpc,
    session_service_pb2_grpc,
    token_service_pb2_grpc,
    user_access_service_pb2_grpc,
)

from auth_service.adapters.audit_heads import EcdsaHeadSigner
from auth_service.adapters.key_ring import KeyRing
from auth_service.adapters.local_authenticator import LocalAuthenticator
from auth_service.adapters.postgres.mails import MailQueueListener, measure_backlog
from auth_service.adapters.postgres.outbox import OUTBOX
from auth_service.adapters.postgres.unit_of_work import PostgresUnitsOfWork
from auth_service.domain.signing_key import JWKS_CACHED, Schedule
from auth_service.pages.documents import Documents
from auth_service.pages.files import PageFiles
from auth_service.settings import AuthSettings
from auth_service.transport.account_servicer import AccountServicer
from auth_service.transport.api_key_servicer import ApiKeyServicer
from auth_service.transport.audit_servicer import AuditServicer
from auth_service.transport.audit_signing import AuditSigning
from auth_service.transport.auth_servicer import AuthServicer
from auth_service.transport.email_servicer import EmailServicer
from auth_service.transport.event_handlers import audit_events, event_handlers
from auth_service.transport.first_admin import make_first_admin
from auth_service.transport.key_servicer import KeyServicer
from auth_service.transport.mfa_servicer import MfaServicer
from auth_service.transport.page_servicer import PageServicer
from auth_service.transport.passkey_servicer import PasskeyServicer
from auth_service.transport.password_servicer import PasswordServicer
from auth_service.transport.session_servicer import SessionServicer
from auth_service.transport.token_servicer import TokenServicer
from auth_service.transport.user_access_servicer import UserAccessServicer
from auth_service.usecases.audit_heads import SignAuditHead
from auth_service.usecases.bootstrap_admin import BootstrapAdmin
from auth_service.usecases.mail_delivery import SendMails
from auth_service.usecases.ports import Ports
from auth_service.usecases.registration import FinishStaleRegistrations, Register
from auth_service.usecases.retention import PurgeExpired
from auth_service.usecases.sessions import EndAllSessions
from auth_service.usecases.signing_keys import RetireSigningKeys, RotateSigningKey
from auth_service.wiring.adapters import ensure_signing_key, mail_sender, open_key_ring, open_ports
from chassis import jobs

log = structlog.get_logger()

SERVICE = "auth-service"
PACKAGE = "auth_service"
SCHEMA = "auth"

MINUTE_SECONDS = 60.0
MAIL_BACKLOG_SECONDS = 15.0
"""As often as metrics are collected."""

MAIL_QUEUE_SECONDS = 8.0
"""How often the mail queue is read without a notification: for mails of an instance that has ended."""


async def start(lifecycle: Lifecycle, settings: AuthSettings) -> None:
    """Starts the service on a lifecycle: returns once it serves.

    Raises:
        StartupError: a port, Postgres, the schema or the master key is not as it must be.
    """
    units = await _open_units(lifecycle, settings)
    service_tokens = ServiceTokens(open_service_keys(SERVICE, settings))
    ring = await open_key_ring(settings, units)
    certificates = open_certificates(settings.tls_files, service_tokens.keys)
    ports = await open_ports(
        lifecycle,
        settings,
        service_tokens=service_tokens,
        certificates=certificates,
        units=units,
        ring=ring,
    )
    authenticator = LocalAuthenticator(
        ring,
        units,
        ports.verify_api_key,
        ports.report_refused_key,
        issuer=settings.issuer,
        audience=settings.audience,
    )
    await lifecycle.may_begin()
    await ensure_signing_key(ring)
    heartbeats = HeartbeatRequests(OUTBOX, units.pool)
    documents = Documents(settings.product, PageFiles.load())
    redis = await lifecycle.enter(
        open_redis(settings.redis_url_with_authorities, client_name=f"{SERVICE}-early")
    )
    publisher = EarlyPublisher(service_tokens.keys, redis)
    server = serve(
        service_tokens, ports, authenticator, documents, heartbeats=heartbeats, publisher=publisher
    )
    await server.start(f"{settings.grpc_host}:{settings.grpc_port}", certificates)
    lifecycle.on_drain(server.drain)
    lifecycle.on_stop(server.stop)
    await record_use(units.pool, SCHEMA, ring.master_key.key_id)
    _begin_events(lifecycle, settings, service_tokens.keys, ports)
    lifecycle.begin("heartbeat requests", heartbeats.run())
    _begin_jobs(lifecycle, settings, ports, units)
    _begin_mails(lifecycle, settings, ports)
    _begin_keys(lifecycle, settings, ports, ring, units.pool)
    lifecycle.begin("fetching verification keys", authenticator.keys.run())
    server.set_serving(True)


def serve(
    service_tokens: ServiceTokens,
    ports: Ports,
    authenticator: LocalAuthenticator,
    documents: Documents,
    *,
    heartbeats: HeartbeatRequests,
    publisher: EarlyPublisher,
) -> GrpcServer:
    """Returns a server with every service of this program."""
    idempotency = IdempotencyInterceptor(RunOnce(ports.units, ports.response_seal, ports.hasher))
    server = build_server(
        service_tokens=service_tokens,
        authenticator=authenticator,
        interceptor=lambda policy, behave: publisher.around(policy, idempotency.around(policy, behave)),
    )
    server.add(auth_service_pb2_grpc.add_AuthServiceServicer_to_server, AuthServicer(ports))
    server.add(session_service_pb2_grpc.add_SessionServiceServicer_to_server, SessionServicer(ports))
    server.add(password_service_pb2_grpc.add_PasswordServiceServicer_to_server, PasswordServicer(ports))
    server.add(email_service_pb2_grpc.add_EmailServiceServicer_to_server, EmailServicer(ports))
    server.add(mfa_service_pb2_grpc.add_MfaServiceServicer_to_server, MfaServicer(ports))
    server.add(passkey_service_pb2_grpc.add_PasskeyServiceServicer_to_server, PasskeyServicer(ports))
    server.add(api_key_service_pb2_grpc.add_ApiKeyServiceServicer_to_server, ApiKeyServicer(ports))
    server.add(
        user_access_service_pb2_grpc.add_UserAccessServiceServicer_to_server, UserAccessServicer(ports)
    )
    server.add(audit_service_pb2_grpc.add_AuditServiceServicer_to_server, AuditServicer(ports))
    server.add(key_service_pb2_grpc.add_KeyServiceServicer_to_server, KeyServicer(ports))
    server.add(account_service_pb2_grpc.add_AccountServiceServicer_to_server, AccountServicer(ports))
    server.add(page_service_pb2_grpc.add_PageServiceServicer_to_server, PageServicer(documents))
    token_servicer = TokenServicer(ports, authenticator, heartbeats)
    server.add(token_service_pb2_grpc.add_TokenServiceServicer_to_server, token_servicer)
    return server


async def _open_units(lifecycle: Lifecycle, settings: AuthSettings) -> PostgresUnitsOfWork:
    pool = await lifecycle.enter(
        open_pool(
            settings.postgres_url.get_secret_value(),
            application_name=SERVICE,
            max_size=settings.postgres_pool_size,
        )
    )
    await revision.require(pool, schema=SCHEMA, package=PACKAGE)
    return PostgresUnitsOfWork(pool, settings.limits)


def _begin_events(lifecycle: Lifecycle, settings: AuthSettings, keys: ServiceKeys, ports: Ports) -> None:
    """Begins to publish events from the outbox and to consume those of the stream."""
    redis_url = settings.redis_url_with_authorities
    relay = Relay(
        OUTBOX,
        keys=keys,
        postgres_url=settings.postgres_url.get_secret_value(),
        redis_url=redis_url,
        heartbeats=True,
    )
    consumer = Consumer(
        group=SERVICE,
        handlers=event_handlers(ports),
        keys=keys,
        redis_url=redis_url,
        audit=partial(audit_events, ports.record_audit),
    )
    lifecycle.begin("outbox relay", relay.run())
    lifecycle.begin("event consumer", consumer.run())


def _begin_jobs(
    lifecycle: Lifecycle, settings: AuthSettings, ports: Ports, units: PostgresUnitsOfWork
) -> None:
    """Begins the jobs that clean up and finish what was interrupted, and the first admin's."""
    begin = partial(jobs.begin, lifecycle)
    finish_stale = FinishStaleRegistrations(units, ports.finish_registration, ports.clock)
    end_all = EndAllSessions(units, ports.clock, ports.names_ended_sessions)
    begin("deleting what has expired", MINUTE_SECONDS, PurgeExpired(units))
    begin("finishing stale registrations", MINUTE_SECONDS, finish_stale)
    begin("ending sessions left over", MINUTE_SECONDS, end_all.finish)
    begin("measuring queued mails", MAIL_BACKLOG_SECONDS, partial(measure_backlog, units.pool))
    email, password = settings.bootstrap_admin_email, settings.bootstrap_admin_password
    if email is not None and password is not None:
        # Without a policy: the first admin's password is the operator's choice.
        register = Register(units, None, ports.hasher, ports.finish_registration, ports.clock)
        bootstrap = BootstrapAdmin(units, register, ports.clock)
        job = make_first_admin(bootstrap, email, password.get_secret_value())
        lifecycle.begin("making the first admin", job)


def _begin_mails(lifecycle: Lifecycle, settings: AuthSettings, ports: Ports) -> None:
    """Begins to send queued mails; without anything to send them with, they stay queued."""
    sender = mail_sender(settings, ports.clock)
    if sender is None:
        log.warning("mails stay queued: set SMTP_URL, or AUTH_MAIL_DIR for files")
        return
    listener = MailQueueListener(settings.postgres_url.get_secret_value(), f"{SERVICE}-mail")
    lifecycle.begin("mail queue listener", listener.run())
    send = SendMails(ports.units, ports.mail_tokens, sender, listener.wake_after)
    lifecycle.begin(
        "sending mails", jobs.when_notified(listener.wait, MAIL_QUEUE_SECONDS, "sending mails", send)
    )


def _begin_keys(
    lifecycle: Lifecycle, settings: AuthSettings, ports: Ports, ring: KeyRing, pool: Pool
) -> None:
    """Begins to reload, rotate and retire the signing keys, and to sign the head of the audit chain."""
    published_for = timedelta(seconds=settings.key_publish_seconds)
    if published_for < JWKS_CACHED:
        log.warning(
            "AUTH_KEY_PUBLISH_SECONDS is shorter than verifiers may cache the published keys",
            set_seconds=settings.key_publish_seconds,
            needed_seconds=JWKS_CACHED.total_seconds(),
        )
    begin = partial(jobs.begin, lifecycle)
    times = Schedule(every=settings.key_rotation, published_for=published_for)
    lifecycle.begin("reloading signing keys", ring.keep_loaded())
    rotate = RotateSigningKey(ports.units, ring.master_key, times, ports.clock)
    begin("rotating signing keys", ring.reload_seconds, rotate.if_due)
    begin(
        "retiring signing keys",
        ring.reload_seconds,
        RetireSigningKeys(ports.units, ring.master_key, ports.clock),
    )
    recording = partial(record_use, pool, SCHEMA, ring.master_key.key_id)
    begin("recording the master key in use", RECORDED_EVERY.total_seconds(), recording)
    every_seconds = settings.audit_head_seconds
    sign = SignAuditHead(
        ports.units,
        EcdsaHeadSigner(ring),
        ports.head_verifier,
        ports.clock,
        timedelta(seconds=every_seconds),
        ports.audit_witness,
    )
    begin("signing audit heads", every_seconds, AuditSigning(sign))
