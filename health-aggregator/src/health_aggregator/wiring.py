"""Builds the service: the one module that names concrete adapters."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

import structlog
from chassis.auth_client.client import AUTH_CLIENT_SERVICES, AUTH_SERVICE, AuthClient
from chassis.clock import SystemClock
from chassis.errors import ServiceError
from chassis.grpc.certificates import Certificates, open_certificates
from chassis.grpc.channel import ServiceChannel, open_channel
from chassis.grpc.server import GrpcServer, build_server
from chassis.identity.claims import Authenticator, NoAuthenticator
from chassis.identity.service_keys import open_service_keys
from chassis.identity.service_tokens import ServiceTokens
from chassis.ids import uuid7
from chassis.lifecycle import Lifecycle
from chassis.postgres.pool import Pool, open_pool
from prometheus_client import REGISTRY
from vestibule.health.v1.audit_witness_service_pb2_grpc import add_AuditWitnessServiceServicer_to_server
from vestibule.health.v1.health_service_pb2_grpc import add_HealthServiceServicer_to_server

from chassis import jobs
from health_aggregator.adapters.audit_heads import AUDIT_SERVICE, EcdsaHeadVerifier, GrpcAuditHeadSource
from health_aggregator.adapters.built_in_source import BuiltInSource
from health_aggregator.adapters.check_factory import CheckFactory
from health_aggregator.adapters.file_watch import on_change
from health_aggregator.adapters.introspecting_authenticator import IntrospectingAuthenticator
from health_aggregator.adapters.kubernetes.api import KubernetesApi, in_a_pod
from health_aggregator.adapters.kubernetes.cluster import Cluster
from health_aggregator.adapters.memory_history import MemoryHistory
from health_aggregator.adapters.metrics_scraper import MetricsScraper
from health_aggregator.adapters.postgres.audit_witness import PostgresWitnessStore
from health_aggregator.adapters.postgres.history import PostgresHistory
from health_aggregator.adapters.target_sources import TargetSources
from health_aggregator.adapters.telemetry import StateCollector, Telemetry
from health_aggregator.adapters.topology_file import metrics_addresses
from health_aggregator.adapters.webhooks import Webhooks
from health_aggregator.domain.audit_witness import WitnessStore
from health_aggregator.domain.board import Board
from health_aggregator.domain.built_in_targets import AGGREGATOR
from health_aggregator.domain.errors import TargetsRefused
from health_aggregator.domain.history import HistoryStore
from health_aggregator.domain.observer import Observers
from health_aggregator.settings import HealthSettings
from health_aggregator.transport.audit_witness_servicer import AuditWitnessServicer
from health_aggregator.transport.audit_witnessing import CONTRADICTED, AuditWitnessing
from health_aggregator.transport.pages import Pages
from health_aggregator.transport.servicer import LISTENERS, HealthServicer
from health_aggregator.usecases.audit_witness import WitnessAudit
from health_aggregator.usecases.change_feed import ChangeFeed
from health_aggregator.usecases.check_scheduler import CheckScheduler
from health_aggregator.usecases.checks import CheckAll, RunCheck
from health_aggregator.usecases.history import RecordHistory
from health_aggregator.usecases.service_metrics import CollectMetrics
from health_aggregator.usecases.target_reload import ReloadTargets

_WITNESS_SECONDS = 10.0

# A rolling update is many changes of the cluster; those within this time are applied together.
_CLUSTER_CHANGES_SECONDS = 0.1

log = structlog.get_logger()


async def start(lifecycle: Lifecycle, settings: HealthSettings) -> None:
    """Starts the service; none of the targets needs to be up.

    Raises:
        StartupError: a port is in use.
    """
    clock = SystemClock()
    board = Board(AGGREGATOR)
    REGISTRY.register(StateCollector(board))
    database = await _database(settings, lifecycle)
    history = RecordHistory(board, _history_store(database), clock, _FailedWrites())
    webhooks = Webhooks(clock, lambda: history.leading)
    feed = ChangeFeed()
    observers = Observers(feed, Telemetry(board), history, webhooks)
    run_check = RunCheck(board, clock, observers)
    cluster_changed = asyncio.Event()
    cluster = _LazyCluster(settings, lifecycle, cluster_changed.set)
    tokens = ServiceTokens(open_service_keys(AGGREGATOR, settings))
    certificates = open_certificates(settings.tls_files, tokens.keys)
    make_check = CheckFactory(clock, cluster)
    scheduler = CheckScheduler(board, run_check, make_check, clock, observers)
    collect_metrics = CollectMetrics(MetricsScraper(partial(_metrics_addresses, settings)))
    pages = Pages(history, collect_metrics, clock)
    servicer = HealthServicer(board, CheckAll(run_check, scheduler.checks), feed, pages)
    auth = await _open_auth(settings, lifecycle, tokens, certificates)
    witness = None if database is None or auth is None else PostgresWitnessStore(database)
    await lifecycle.may_begin()
    server = await _open_grpc(
        settings, lifecycle, _build_server(settings, tokens, auth, servicer, witness), certificates
    )
    if witness is not None and auth is not None:
        witness_audit = WitnessAudit(GrpcAuditHeadSource(auth), witness, EcdsaHeadVerifier(), clock)
        witnessing = AuditWitnessing(witness_audit, partial(board.mark_degraded, AUTH_SERVICE, CONTRADICTED))
        jobs.begin(lifecycle, "witnessing the audit", _WITNESS_SECONDS, witnessing, at_once=True)
    lifecycle.on_drain(scheduler.close)
    lifecycle.on_drain(webhooks.close)
    built_in = BuiltInSource(settings.backend_urls, _own_address(settings), settings.topology)
    found_in = cluster() if settings.kubernetes else None
    sources = TargetSources(built_in, settings.config, found_in, cluster.can_be_followed)
    reload = ReloadTargets(scheduler, sources, _log_refused, lambda: webhooks.set(sources.webhooks))
    if not await reload():
        # A faulty file must not keep the backends from being checked.
        await scheduler.set_targets(built_in.without_topology())
    files = [path for path in (settings.topology, settings.config) if path is not None]
    lifecycle.begin("watching target files", on_change(files, reload))
    lifecycle.begin("loading targets of the cluster", _on_event(cluster_changed, reload))
    lifecycle.begin("marking stale checks", scheduler.run())
    lifecycle.begin("writing history", history.run())
    lifecycle.begin("collecting metrics", collect_metrics.run())
    server.set_serving(True)


async def _on_event(event: asyncio.Event, call: Callable[[], Awaitable[object]]) -> None:
    while True:
        await event.wait()
        event.clear()
        await call()
        await asyncio.sleep(_CLUSTER_CHANGES_SECONDS)


class _LazyCluster:
    """Returns the cluster, and begins to follow it on the first call."""

    def __init__(self, settings: HealthSettings, lifecycle: Lifecycle, changed: Callable[[], None]) -> None:
        self._settings = settings
        self._lifecycle = lifecycle
        self._changed = changed
        self._cluster: Cluster | None = None

    def can_be_followed(self) -> bool:
        settings = self._settings
        return in_a_pod() or None not in {settings.kubernetes_url, settings.kubernetes_namespace}

    def __call__(self) -> Cluster:
        if self._cluster is None:
            settings = self._settings
            api = KubernetesApi(
                settings.kubernetes_url, settings.kubernetes_service_host, settings.kubernetes_service_port
            )
            self._cluster = Cluster(self._changed, api, settings.kubernetes_namespace)
            self._lifecycle.begin("watching the cluster", self._cluster.run())
        return self._cluster


async def _database(settings: HealthSettings, lifecycle: Lifecycle) -> Pool | None:
    if settings.postgres_url is None:
        return None
    # No connection is opened before it is needed, since Postgres may start later.
    return await lifecycle.enter(
        open_pool(
            settings.postgres_url.get_secret_value(), application_name=AGGREGATOR, min_size=0, max_size=2
        )
    )


def _history_store(database: Pool | None) -> HistoryStore:
    if database is None:
        return MemoryHistory()
    return PostgresHistory(database, f"{socket.gethostname()}/{uuid7()}")


def _build_server(
    settings: HealthSettings,
    tokens: ServiceTokens,
    auth: ServiceChannel | None,
    servicer: HealthServicer,
    witness: WitnessStore | None,
) -> GrpcServer:
    # The limit leaves room for calls and health checks when the maximum of streams is open.
    server = build_server(
        service_tokens=tokens, authenticator=_authenticator(settings, auth), concurrent_rpcs_max=2 * LISTENERS
    )
    server.add(add_HealthServiceServicer_to_server, servicer)
    server.add(add_AuditWitnessServiceServicer_to_server, AuditWitnessServicer(witness))
    return server


async def _open_grpc(
    settings: HealthSettings, lifecycle: Lifecycle, server: GrpcServer, certificates: Certificates | None
) -> GrpcServer:
    await server.start(f"{settings.grpc_host}:{settings.grpc_port}", certificates)
    lifecycle.on_drain(server.drain)
    lifecycle.on_stop(server.stop)
    return server


def _own_address(settings: HealthSettings) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.http_host, settings.http_host)
    return f"{host}:{settings.http_port}"


async def _open_auth(
    settings: HealthSettings, lifecycle: Lifecycle, tokens: ServiceTokens, certificates: Certificates | None
) -> ServiceChannel | None:
    if settings.auth_address is None:
        return None
    return await lifecycle.enter(
        open_channel(
            settings.auth_address,
            service_tokens=tokens,
            services=[*AUTH_CLIENT_SERVICES, AUDIT_SERVICE],
            credentials=certificates,
        )
    )


def _authenticator(settings: HealthSettings, auth: ServiceChannel | None) -> Authenticator:
    if auth is None or settings.token_issuer is None:
        return NoAuthenticator()
    return IntrospectingAuthenticator(
        AuthClient(auth), issuer=settings.token_issuer, audience=settings.token_audience
    )


def _metrics_addresses(settings: HealthSettings) -> Mapping[str, Sequence[str]]:
    found = metrics_addresses(settings.topology) if settings.topology is not None else {}
    return {**found, **{name: [address] for name, address in settings.metrics.items()}}


def _log_refused(error: TargetsRefused) -> None:
    log.error(
        "health targets refused; the current ones stay in use",
        source=error.source,
        line=error.line,
        problem=error.problem,
    )


class _FailedWrites:
    """Logs each failed write of the history, with a traceback the first time that it fails so."""

    def __init__(self) -> None:
        self._last: type[Exception] | None = None

    def __call__(self, error: Exception, buffered: int) -> None:
        if isinstance(error, ServiceError):
            log.warning("history write failed; retrying", reason=error.reason, buffered=buffered)
        else:
            # Such as a schema that is not migrated yet, a missing grant, or a fault of ours.
            shown = None if type(error) is self._last else error
            reason = type(error).__name__
            log.error("history write failed; retrying", reason=reason, buffered=buffered, exc_info=shown)
        self._last = type(error)
