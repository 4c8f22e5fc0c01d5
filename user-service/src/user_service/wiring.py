"""Builds the service: the one module that names concrete adapters."""

from collections.abc import Callable, Mapping
from functools import partial

import structlog
from chassis.auth_client.client import AUTH_CLIENT_SERVICES
from chassis.auth_client.serving import begin_authenticator, serve
from chassis.clock import SystemClock
from chassis.events.consumer import Consumer, Handler
from chassis.events.relay import Relay
from chassis.grpc.certificates import Certificates, open_certificates
from chassis.grpc.channel import open_channel
from chassis.grpc.pipeline import Interceptor
from chassis.grpc.server import GrpcServer, build_server
from chassis.http.destinations import Destinations
from chassis.idempotency.interceptor import IdempotencyInterceptor
from chassis.idempotency.run_once import RunOnce
from chassis.idempotency.sealed_responses import SealedResponses
from chassis.identity.service_keys import ServiceKeys, open_service_keys
from chassis.identity.service_tokens import ServiceTokens
from chassis.lifecycle import Lifecycle
from chassis.postgres import revision
from chassis.postgres.idempotency import purge_responses
from chassis.postgres.pool import Pool, open_pool
from vestibule.auth.v1 import account_service_pb2
from vestibule.users.v1.directory_service_pb2_grpc import add_DirectoryServiceServicer_to_server
from vestibule.users.v1.user_service_pb2_grpc import add_UserServiceServicer_to_server
from vestibule.users.v1.webhook_service_pb2_grpc import add_WebhookServiceServicer_to_server

from chassis import jobs
from user_service.adapters.accounts import GrpcAccounts
from user_service.adapters.postgres import kept_deliveries, webhooks
from user_service.adapters.postgres.outbox import OUTBOX
from user_service.adapters.postgres.unit_of_work import PostgresUnitsOfWork
from user_service.adapters.stale_copies import GatheredStaleCopies
from user_service.adapters.stored_documents import DOCUMENTS_SERVICE, GrpcStoredDocuments
from user_service.adapters.webhook_poster import HttpWebhookPoster
from user_service.adapters.webhook_secrets import SealedWebhookSecrets
from user_service.domain.export import StoredDocuments
from user_service.settings import UsersSettings
from user_service.transport.directory_servicer import DirectoryServicer
from user_service.transport.event_handlers import event_handlers
from user_service.transport.user_servicer import UserServicer
from user_service.transport.webhook_servicer import WebhookServicer
from user_service.usecases.audit import AuditEvents
from user_service.usecases.webhook_delivery import PurgeDeliveries, ResealWebhooks, SendWebhooks

log = structlog.get_logger()

SERVICE = "user-service"
BACKLOG_SECONDS = 15.0
"""As often as metrics are collected."""

RETENTION_SECONDS = 600.0
RESEAL_SECONDS = 600.0


async def start(lifecycle: Lifecycle, settings: UsersSettings) -> None:
    """Starts the service; returns when it listens. It is ready when it can authenticate callers.

    Raises:
        StartupError: a port is in use, or Postgres or its schema is not as required.
    """
    pool = await lifecycle.enter(
        open_pool(
            settings.postgres_url.get_secret_value(),
            application_name=SERVICE,
            max_size=settings.postgres_pool_size,
        )
    )
    await revision.require(pool, schema=OUTBOX.schema, package="user_service")

    service_tokens = ServiceTokens(open_service_keys(SERVICE, settings))
    account_service = account_service_pb2.DESCRIPTOR.services_by_name["AccountService"]
    certificates = open_certificates(settings.tls_files, service_tokens.keys)
    channel = await lifecycle.enter(
        open_channel(
            settings.auth_address,
            service_tokens=service_tokens,
            services=(*AUTH_CLIENT_SERVICES, account_service),
            credentials=certificates,
        )
    )
    await lifecycle.may_begin()
    authenticator = begin_authenticator(
        lifecycle, settings, channel, service=SERVICE, keys=service_tokens.keys
    )
    # auth-service of the previous release cannot fetch the client behind an audit event.
    units = PostgresUnitsOfWork(pool, carries_clients=service_tokens.accepts_shared)
    accounts = GrpcAccounts(channel)
    documents = await _open_documents(lifecycle, settings, service_tokens, certificates)
    clock = SystemClock()
    stale_copies = GatheredStaleCopies(units)
    lifecycle.begin("stale copies", stale_copies.run())
    server = build_server(
        service_tokens=service_tokens, authenticator=authenticator, interceptor=_interceptor(settings, units)
    )
    server.add(add_UserServiceServicer_to_server, UserServicer(units, accounts, clock, documents))
    server.add(
        add_DirectoryServiceServicer_to_server, DirectoryServicer(units, accounts, stale_copies, clock)
    )

    channels = _begin_webhooks(lifecycle, settings, pool, units, server)
    purge = partial(purge_responses, pool, OUTBOX.schema)
    jobs.begin(lifecycle, "deleting old responses", RETENTION_SECONDS, purge)

    handlers = event_handlers(units, accounts, stale_copies, clock)
    _begin_events(lifecycle, settings, service_tokens.keys, handlers, AuditEvents(units), channels=channels)

    await serve(lifecycle, settings, server, certificates, authenticator)


def _begin_events(
    lifecycle: Lifecycle,
    settings: UsersSettings,
    keys: ServiceKeys,
    handlers: Mapping[str, Handler],
    audit: AuditEvents,
    *,
    channels: Mapping[str, Callable[[], None]],
) -> None:
    """Begins to publish this service's events and to handle those of others."""
    redis_url = settings.redis_url_with_authorities
    postgres_url = settings.postgres_url.get_secret_value()
    relay = Relay(OUTBOX, keys=keys, postgres_url=postgres_url, redis_url=redis_url, also_listen_to=channels)
    consumer = Consumer(group=SERVICE, handlers=handlers, keys=keys, redis_url=redis_url, audit=audit)
    lifecycle.begin("outbox relay", relay.run())
    lifecycle.begin("event consumer", consumer.run())


def _begin_webhooks(
    lifecycle: Lifecycle,
    settings: UsersSettings,
    pool: Pool,
    units: PostgresUnitsOfWork,
    server: GrpcServer,
) -> Mapping[str, Callable[[], None]]:
    """Serves webhooks, and begins to deliver, measure what waits, delete what ended and reseal secrets.

    Returns:
        The channels to listen to, and what to call at each notification.
    """
    if not settings.master_keys:
        log.warning("no webhook can be added: set USERS_MASTER_KEY")
    clock, secrets = SystemClock(), SealedWebhookSecrets(settings.master_keys)
    poster = HttpWebhookPoster(
        Destinations(allows_http=settings.webhook_http == "on", networks=settings.webhook_networks)
    )
    server.add(add_WebhookServiceServicer_to_server, WebhookServicer(units, secrets, poster, clock))
    send = SendWebhooks(units, secrets, poster, clock)
    lifecycle.begin("sending webhooks", send.run())
    measure = partial(kept_deliveries.measure_deliveries, pool)
    jobs.begin(lifecycle, "measuring webhooks", BACKLOG_SECONDS, measure)
    reseal = ResealWebhooks(units, secrets)
    jobs.begin(lifecycle, "encrypting webhook secrets again", RESEAL_SECONDS, reseal)
    purge = PurgeDeliveries(units)
    jobs.begin(lifecycle, "deleting old webhook messages", RETENTION_SECONDS, purge)
    return {webhooks.CHANNEL: send.may_be_due.set}


def _interceptor(settings: UsersSettings, units: PostgresUnitsOfWork) -> Interceptor | None:
    """Returns what replays responses; None without a master key, without which no response can be stored."""
    if not settings.master_keys:
        return None
    return IdempotencyInterceptor(RunOnce(units, SealedResponses.under(settings.master_keys))).around


async def _open_documents(
    lifecycle: Lifecycle,
    settings: UsersSettings,
    service_tokens: ServiceTokens,
    certificates: Certificates | None,
) -> StoredDocuments | None:
    """Returns the documents of knowledge-service; None where it is off."""
    if settings.knowledge_address is None:
        return None
    opening = open_channel(
        settings.knowledge_address,
        service_tokens=service_tokens,
        services=(DOCUMENTS_SERVICE,),
        credentials=certificates,
    )
    return GrpcStoredDocuments(await lifecycle.enter(opening))
