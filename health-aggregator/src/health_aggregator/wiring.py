"""Puts the parts together: the one module that names concrete adapters."""

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

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

from health_aggregator.adapters.audit_heads import AUDIT_SERVICE, EcdsaHeadVerifier, GrpcAuditHeadSource
from health_aggregator.adapters.change_feed import ChangeFeed
from health_aggregator.adapters.check_factory import HOUSE_TLS, CheckFactory
from health_aggregator.adapters.file_watch import on_change
from health_aggregator.adapters.introspecting_authenticator import IntrospectingAuthenticator
from health_aggregator.adapters.kubernetes.api import KubernetesApi
from health_aggregator.adapters.kubernetes.cluster import Cluster
from health_aggregator.adapters.memory_history import MemoryHistory
from health_aggregator.adapters.metrics_scraper import MetricsScraper
from health_aggregator.adapters.postgres.audit_witness import PostgresWitnessStore
from health_aggregator.adapters.postgres.history import PostgresHistory
from health_aggregator.adapters.target_sources import TargetSources
from health_aggregator.adapters.telemetry import StateCollector, Telemetry
from health_aggregator.adapters.topology_file import metrics_addresses, read_topology
from health_aggregator.adapters.webhooks import Webhooks
from health_aggregator.domain.audit_witness import WitnessStore
from health_aggregator.domain.board import Board
from health_aggregator.domain.errors import TargetsRefused
from health_aggregator.domain.house import OBSERVER, house_targets
from health_aggregator.domain.ports import ChangePublisher, Ear, HistoryStore
from health_aggregator.domain.state import Change, CheckResult
from health_aggregator.domain.target import Target
from health_aggregator.settings import HealthSettings
from health_aggregator.transport.audit_witness_servicer import AuditWitnessServicer
from health_aggregator.transport.audit_witnessing import CONTRADICTED, AuditWitnessing
from health_aggregator.transport.pages import Pages
from health_aggregator.transport.servicer import LISTENERS, HealthServicer
from health_aggregator.usecases.get_health import GetHealth
from health_aggregator.usecases.keep_figures import KeepFigures
from health_aggregator.usecases.keep_watch import KeepWatch
from health_aggregator.usecases.record_history import RecordHistory
from health_aggregator.usecases.run_check import RunCheck
from health_aggregator.usecases.sweep import Sweep
from health_aggregator.usecases.take_up_targets import TakeUpTargets
from health_aggregator.usecases.witness_audit import WitnessAudit

_SETTLE_SECONDS = 0.1

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Everyone:
    """Hands changes to several publishers."""

    publishers: Sequence[ChangePublisher]

    def publish(self, changes: Sequence[Change]) -> None:
        for publisher in self.publishers:
            publisher.publish(changes)


@dataclass(frozen=True, slots=True)
class _AllEars:
    """Lets several listeners hear of results."""

    ears: Sequence[Ear]

    def heard(self, target: Target, result: CheckResult) -> None:
        for ear in self.ears:
            ear.heard(target, result)


async def start(lifecycle: Lifecycle, settings: HealthSettings) -> None:
    """Starts everything on the lifecycle; nothing that is watched needs to be there.

    Raises:
        StartupError: A port cannot be had.
    """
    clock = SystemClock()
    board = Board(OBSERVER)
    feed, telemetry = ChangeFeed(), Telemetry(board)
    REGISTRY.register(StateCollector(board))
    database = await _database(settings, lifecycle)
    history = RecordHistory(board, _history_store(database), clock, _history_lost)
    webhooks = Webhooks(clock, lambda: history.leading)
    publisher = _Everyone([feed, telemetry, history, webhooks])
    run_check = RunCheck(board, clock, publisher, _AllEars([telemetry, history]), telemetry)
    changed = asyncio.Event()
    cluster = _LazyCluster(settings, lifecycle, changed.set)
    certificates = open_certificates(settings.tls_files)
    credentials = certificates.channel_credentials if certificates is not None else None
    checks = CheckFactory(clock, cluster, credentials)
    keep_watch = KeepWatch(board, run_check, checks, clock, publisher)
    get_health = GetHealth(board, Sweep(run_check, keep_watch.watched))
    figures = KeepFigures(MetricsScraper(partial(_metrics_addresses, settings)))
    servicer = HealthServicer(get_health, feed, Pages(history, figures, clock))
    tokens = ServiceTokens(open_service_keys(OBSERVER, settings))
    auth = await _open_auth(settings, lifecycle, tokens, certificates)
    witness = None if database is None or auth is None else PostgresWitnessStore(database)
    server, address = await _open_grpc(
        settings, lifecycle, _build_server(settings, tokens, auth, servicer, witness), certificates
    )
    if witness is not None and auth is not None:
        witness_audit = WitnessAudit(GrpcAuditHeadSource(auth), witness, EcdsaHeadVerifier(), clock)
        witnessing = AuditWitnessing(witness_audit, partial(board.blemish, AUTH_SERVICE, CONTRADICTED))
        lifecycle.begin("audit witness", witnessing.run())
    lifecycle.on_drain(keep_watch.close)
    lifecycle.on_drain(webhooks.close)
    sources = TargetSources(
        partial(_house, settings, address), settings.config, cluster() if settings.kubernetes else None
    )
    take_up = TakeUpTargets(keep_watch, sources, _refused, lambda _: webhooks.take_up(sources.webhooks))
    if not await take_up():
        # A faulty list must not keep the rest from being watched.
        await keep_watch.take_up(house_targets(_backing(settings, address)))
    files = [path for path in (settings.topology, settings.config) if path is not None]
    lifecycle.begin("target-files", on_change(files, take_up))
    lifecycle.begin("cluster-targets", _follow(changed, take_up))
    lifecycle.begin("keep-watch", keep_watch())
    lifecycle.begin("history", history())
    lifecycle.begin("figures", figures())
    server.set_serving(True)


async def _follow(changed: asyncio.Event, take_up: TakeUpTargets) -> None:
    while True:
        await changed.wait()
        changed.clear()
        await take_up()
        # A rolling update is many changes: they are taken up together.
        await asyncio.sleep(_SETTLE_SECONDS)


class _LazyCluster:
    """Follows the cluster from the moment that somebody first asks for it."""

    def __init__(self, settings: HealthSettings, lifecycle: Lifecycle, changed: Callable[[], None]) -> None:
        self._settings = settings
        self._lifecycle = lifecycle
        self._changed = changed
        self._cluster: Cluster | None = None

    def __call__(self) -> Cluster:
        if self._cluster is None:
            settings = self._settings
            api = KubernetesApi(
                settings.kubernetes_url, settings.kubernetes_service_host, settings.kubernetes_service_port
            )
            self._cluster = Cluster(self._changed, api, settings.kubernetes_namespace)
            self._lifecycle.begin("cluster", self._cluster.run())
        return self._cluster


async def _database(settings: HealthSettings, lifecycle: Lifecycle) -> Pool | None:
    if settings.postgres_url is None:
        return None
    # No connection is made before the first is needed: Postgres may be away when we start.
    return await lifecycle.enter(
        open_pool(settings.postgres_url.get_secret_value(), application_name=OBSERVER, min_size=0, max_size=2)
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
    # Listeners must never take the place of callers and health checks.
    server = build_server(
        service_tokens=tokens, authenticator=_authenticator(settings, auth), concurrent_rpcs_max=2 * LISTENERS
    )
    server.add(add_HealthServiceServicer_to_server, servicer)
    server.add(add_AuditWitnessServiceServicer_to_server, AuditWitnessServicer(witness))
    return server


async def _open_grpc(
    settings: HealthSettings, lifecycle: Lifecycle, server: GrpcServer, certificates: Certificates | None
) -> tuple[GrpcServer, str]:
    port = await server.start(f"{settings.grpc_host}:{settings.grpc_port}", certificates)
    lifecycle.on_drain(server.drain)
    lifecycle.on_stop(server.stop)
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.grpc_host, settings.grpc_host)
    return server, f"{host}:{port}"


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


def _backing(settings: HealthSettings, own_address: str) -> dict[str, Mapping[str, Any]]:
    # Under TLS nobody may ask without a certificate: then Kubernetes says how we are.
    options: dict[str, Mapping[str, Any]] = (
        {OBSERVER: {"address": own_address}} if settings.tls_files is None else {}
    )
    urls = {
        "postgres": settings.postgres_url,
        "redis": settings.redis_url,
        "qdrant": settings.qdrant_url,
        "nextcloud": settings.nextcloud_url,
    }
    return options | {name: {"url": url.get_secret_value()} for name, url in urls.items() if url is not None}


def _house(settings: HealthSettings, own_address: str) -> list[Target]:
    services = read_topology(settings.topology) if settings.topology is not None else {}
    options = services | _backing(settings, own_address)
    if settings.tls_files is not None:
        speaks_tls = {HOUSE_TLS: True}
        options = {
            name: {**known, **speaks_tls} if "address" in known else known for name, known in options.items()
        }
    return house_targets(options)


def _metrics_addresses(settings: HealthSettings) -> Mapping[str, Sequence[str]]:
    found = metrics_addresses(settings.topology) if settings.topology is not None else {}
    return {**found, **{name: [address] for name, address in settings.metrics.items()}}


def _refused(error: TargetsRefused) -> None:
    log.error("targets refused", source=error.source, line=error.line, problem=error.problem)


def _history_lost(error: ServiceError, waiting: int) -> None:
    log.warning("history waits", reason=error.reason, observations=waiting)
