"""Starts the service: its servicers, and what runs beside them."""

import asyncio
from datetime import timedelta
from functools import partial

from chassis.auth_client.client import AUTH_CLIENT_SERVICES
from chassis.auth_client.serving import begin_authenticator, serve
from chassis.clock import SystemClock
from chassis.events.consumer import Consumer
from chassis.events.relay import Relay
from chassis.grpc.certificates import open_certificates
from chassis.grpc.channel import ServiceChannel, open_channel
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
from chassis.postgres.master_keys import RECORDED_EVERY, record_use
from chassis.postgres.pool import Pool, open_pool
from chassis.sealing import derived_key
from google.protobuf.descriptor import ServiceDescriptor
from vestibule.knowledge.v1.answer_service_pb2_grpc import add_AnswerServiceServicer_to_server
from vestibule.knowledge.v1.audit_client_service_pb2_grpc import add_AuditClientServiceServicer_to_server
from vestibule.knowledge.v1.document_service_pb2_grpc import add_DocumentServiceServicer_to_server
from vestibule.knowledge.v1.personal_documents_service_pb2_grpc import (
    add_PersonalDocumentsServiceServicer_to_server,
)
from vestibule.knowledge.v1.progress_service_pb2_grpc import add_ProgressServiceServicer_to_server
from vestibule.knowledge.v1.search_service_pb2_grpc import add_SearchServiceServicer_to_server
from vestibule.knowledge.v1.source_service_pb2_grpc import add_SourceServiceServicer_to_server

from chassis import jobs
from knowledge_service.adapters.answer_metrics import AnswerMetrics
from knowledge_service.adapters.postgres.master_keys import FollowMasterKey, hash_key
from knowledge_service.adapters.postgres.measuring import measure
from knowledge_service.adapters.postgres.outbox import OUTBOX
from knowledge_service.adapters.postgres.unit_of_work import PostgresUnitsOfWork
from knowledge_service.adapters.text_extraction.extractor import FileTextExtractor
from knowledge_service.adapters.text_seal import TextSeal
from knowledge_service.adapters.user_directory import DIRECTORY_SERVICE, GrpcUserDirectory
from knowledge_service.adapters.webdav import WebDavFolder
from knowledge_service.domain.embedder import Embedder
from knowledge_service.domain.passage_index import PassageIndex
from knowledge_service.domain.source import SYNCS_AT_ONCE
from knowledge_service.domain.term_weights import TermWeights
from knowledge_service.settings import KnowledgeSettings
from knowledge_service.transport.answer_servicer import AnswerServicer
from knowledge_service.transport.audit_client_servicer import AuditClientServicer
from knowledge_service.transport.document_servicer import DocumentServicer
from knowledge_service.transport.event_handlers import event_handlers
from knowledge_service.transport.personal_documents_servicer import PersonalDocumentsServicer
from knowledge_service.transport.progress_servicer import ProgressServicer
from knowledge_service.transport.search_servicer import SearchServicer
from knowledge_service.transport.source_servicer import SourceServicer
from knowledge_service.usecases.answer import Answer
from knowledge_service.usecases.audit import AuditEvents
from knowledge_service.usecases.documents import DeleteDocument, PutDocument
from knowledge_service.usecases.erasure import EraseIfErased, EraseMissed
from knowledge_service.usecases.indexing import IndexDocument, IndexWaiting, RemoveFromIndex
from knowledge_service.usecases.progress import StreamProgress
from knowledge_service.usecases.search import SearchPassages
from knowledge_service.usecases.source_sync import SyncSource
from knowledge_service.wiring.adapters import open_embedder, open_index, open_language_model

SERVICE = "knowledge-service"

MEASURE_SECONDS = 10.0
RETENTION_SECONDS = 600.0
MASTER_KEY_SECONDS = 60.0

POLL_SECONDS = 2.0
"""How often is looked for documents and sources that wait."""

ERASE_MISSED_SECONDS = 24 * 3600.0


async def start(lifecycle: Lifecycle, settings: KnowledgeSettings) -> None:
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
    await revision.require(pool, schema=OUTBOX.schema, package="knowledge_service")
    seal = TextSeal(*settings.master_keys)
    units = PostgresUnitsOfWork(pool, seal)
    hashing = await hash_key(pool, seal)
    await record_use(pool, OUTBOX.schema, seal.key_id)

    service_tokens = ServiceTokens(open_service_keys(SERVICE, settings))
    certificates = open_certificates(settings.tls_files, service_tokens.keys)
    embedder = await open_embedder(lifecycle, settings)
    index = await open_index(lifecycle, settings, pool, embedder)
    await lifecycle.may_begin()

    async def connect(address: str, *services: ServiceDescriptor) -> ServiceChannel:
        opening = open_channel(
            address, service_tokens=service_tokens, services=services, credentials=certificates
        )
        return await lifecycle.enter(opening)

    authenticator = begin_authenticator(
        lifecycle,
        settings,
        await connect(settings.auth_address, *AUTH_CLIENT_SERVICES),
        service=SERVICE,
        keys=service_tokens.keys,
    )
    run_once = RunOnce(units, SealedResponses.under(settings.master_keys))
    server = build_server(
        service_tokens=service_tokens,
        authenticator=authenticator,
        interceptor=IdempotencyInterceptor(run_once, keeps_secrets=True).around,
    )
    directory = GrpcUserDirectory(await connect(settings.users_address, DIRECTORY_SERVICE))
    index_document, remove_from_index = await _add_servicers(
        lifecycle,
        settings,
        server,
        units,
        index=index,
        embedder=embedder,
        directory=directory,
        hashing=hashing,
    )

    purge = partial(purge_responses, pool, OUTBOX.schema)
    jobs.begin(lifecycle, "deleting old responses", RETENTION_SECONDS, purge)
    recording = partial(record_use, pool, OUTBOX.schema, seal.key_id)
    jobs.begin(lifecycle, "recording the master key in use", RECORDED_EVERY.total_seconds(), recording)
    follow = FollowMasterKey(pool, seal)
    jobs.begin(lifecycle, "encrypting again under a new master key", MASTER_KEY_SECONDS, follow)
    _begin_indexing(lifecycle, pool, index_document, remove_from_index)
    _begin_events(
        lifecycle, settings, service_tokens.keys, units, EraseIfErased(units, directory, remove_from_index)
    )

    await serve(lifecycle, settings, server, certificates, authenticator)


async def _add_servicers(
    lifecycle: Lifecycle,
    settings: KnowledgeSettings,
    server: GrpcServer,
    units: PostgresUnitsOfWork,
    *,
    index: PassageIndex,
    embedder: Embedder | None,
    directory: GrpcUserDirectory,
    hashing: bytes,
) -> tuple[IndexDocument, RemoveFromIndex]:
    """Adds what clients call; returns what indexes in the background too."""
    weights = TermWeights(derived_key(hashing, "term-ids"))
    # Storing a document in the index, or removing it, takes two connections, and one is for reads.
    slots = asyncio.Semaphore((settings.postgres_pool_size - 1) // 2)
    index_document = IndexDocument(units, index, embedder, weights, slots)
    remove_from_index = RemoveFromIndex(units, index, slots)
    server.add(
        add_DocumentServiceServicer_to_server,
        DocumentServicer(units, index_document, remove_from_index, SystemClock()),
    )
    server.add(add_PersonalDocumentsServiceServicer_to_server, PersonalDocumentsServicer(units))
    server.add(add_AuditClientServiceServicer_to_server, AuditClientServicer(units))
    stream_progress = StreamProgress(units, index_document.model)
    server.add(add_ProgressServiceServicer_to_server, ProgressServicer(stream_progress))
    search_passages = SearchPassages(units, index, embedder, weights)
    server.add(add_SearchServiceServicer_to_server, SearchServicer(search_passages))
    model = await open_language_model(lifecycle, settings)
    answer = Answer(search_passages, model, AnswerMetrics())
    server.add(add_AnswerServiceServicer_to_server, AnswerServicer(answer))
    folder = WebDavFolder(
        Destinations(allows_http=settings.source_http == "on", networks=settings.source_networks)
    )
    server.add(
        add_SourceServiceServicer_to_server, SourceServicer(units, folder, remove_from_index, SystemClock())
    )
    sync = SyncSource(
        units,
        directory,
        folder,
        FileTextExtractor(),
        PutDocument(units, index_document, SystemClock()),
        DeleteDocument(units, remove_from_index),
        derived_key(hashing, "source-files"),
        timedelta(seconds=settings.source_seconds),
    )
    pausing = asyncio.Lock()
    for number in range(1, SYNCS_AT_ONCE + 1):
        following = jobs.repeat("following sources", sync, pause_seconds=POLL_SECONDS, pausing=pausing)
        lifecycle.begin(f"following sources {number}", following)
    return index_document, remove_from_index


def _begin_indexing(
    lifecycle: Lifecycle, pool: Pool, index_document: IndexDocument, remove_from_index: RemoveFromIndex
) -> None:
    """Begins to index what waits, and to measure how much that is and what fails."""
    index_waiting = IndexWaiting(index_document.units, index_document, remove_from_index)
    lifecycle.begin(
        "indexing documents", jobs.repeat("indexing documents", index_waiting, pause_seconds=POLL_SECONDS)
    )
    measuring = partial(measure, pool, index_document.model)
    jobs.begin(lifecycle, "measuring documents", MEASURE_SECONDS, measuring)


def _begin_events(
    lifecycle: Lifecycle,
    settings: KnowledgeSettings,
    keys: ServiceKeys,
    units: PostgresUnitsOfWork,
    erase: EraseIfErased,
) -> None:
    """Begins to publish this service's events and to handle those of others."""
    redis_url = settings.redis_url_with_authorities
    postgres_url = settings.postgres_url.get_secret_value()
    relay = Relay(OUTBOX, keys=keys, postgres_url=postgres_url, redis_url=redis_url)
    consumer = Consumer(
        group=SERVICE,
        handlers=event_handlers(erase),
        keys=keys,
        redis_url=redis_url,
        audit=AuditEvents(units),
    )
    lifecycle.begin("outbox relay", relay.run())
    lifecycle.begin("event consumer", consumer.run())
    erase_missed = EraseMissed(units, erase)
    lifecycle.begin(
        "erasing what was missed",
        jobs.repeat("erasing what was missed", erase_missed, pause_seconds=ERASE_MISSED_SECONDS),
    )
