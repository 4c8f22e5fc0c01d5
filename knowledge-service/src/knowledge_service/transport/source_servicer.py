"""`vestibule.knowledge.v1.SourceService`: sources, for clients."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from chassis.clock import Clock
from chassis.grpc.paging import cut
from chassis.grpc.timestamps import timestamp
from chassis.idempotency.interceptor import current_idempotency
from chassis.identity.caller import current_caller
from google.protobuf.empty_pb2 import Empty
from vestibule.knowledge.v1 import source_service_pb2 as pb
from vestibule.knowledge.v1.source_service_pb2_grpc import SourceServiceServicer

from knowledge_service.domain.source import Access, RemoteFolder, Source, SourceFile, SourceState
from knowledge_service.domain.unit_of_work import UnitsOfWork
from knowledge_service.usecases.indexing import RemoveFromIndex
from knowledge_service.usecases.sources import CreateSource, DeleteSource, GetSource, ListSources

_STATES = {
    SourceState.WAITING: pb.SOURCE_STATE_WAITING,
    SourceState.SYNCING: pb.SOURCE_STATE_SYNCING,
    SourceState.CURRENT: pb.SOURCE_STATE_CURRENT,
    SourceState.FAILED: pb.SOURCE_STATE_FAILED,
}


class SourceServicer(SourceServiceServicer):
    """Runs one use case per call."""

    def __init__(
        self, units: UnitsOfWork, folder: RemoteFolder, remove_from_index: RemoveFromIndex, clock: Clock
    ) -> None:
        self._create_source = CreateSource(units, folder, clock)
        self._list_sources = ListSources(units)
        self._get_source = GetSource(units)
        self._delete_source = DeleteSource(units, remove_from_index)

    async def CreateSource(self, request: pb.CreateSourceRequest, context: Any) -> pb.CreateSourceResponse:
        """Adds a source."""
        access = Access(request.url, request.user, request.app_password)
        source = await self._create_source(
            caller=current_caller(), access=access, idempotency=current_idempotency()
        )
        return pb.CreateSourceResponse(source=_message(source))

    async def ListSources(self, request: pb.ListSourcesRequest, context: Any) -> pb.ListSourcesResponse:
        """Lists sources."""
        sources = await self._list_sources(caller=current_caller())
        shown, pagination = cut(request, sources, lambda source: source.id)
        return pb.ListSourcesResponse(sources=map(_message, shown), pagination=pagination)

    async def GetSource(self, request: pb.GetSourceRequest, context: Any) -> pb.GetSourceResponse:
        """Returns a source."""
        source, skipped = await self._get_source(caller=current_caller(), source_id=UUID(request.source_id))
        return pb.GetSourceResponse(source=_message(source, skipped))

    async def DeleteSource(self, request: pb.DeleteSourceRequest, context: Any) -> Empty:
        """Deletes a source."""
        await self._delete_source(caller=current_caller(), source_id=UUID(request.source_id))
        return Empty()


def _message(source: Source, skipped: Sequence[SourceFile] = ()) -> pb.Source:
    return pb.Source(
        id=str(source.id),
        url=source.url,
        user=source.user,
        state=_STATES[source.state],
        problem=source.problem,
        documents=source.documents,
        skipped=source.skipped,
        skipped_files=[pb.SkippedFile(path=each.path, reason=each.problem or "") for each in skipped],
        created_at=timestamp(source.created_at),
        synced_at=timestamp(source.synced_at),
    )
