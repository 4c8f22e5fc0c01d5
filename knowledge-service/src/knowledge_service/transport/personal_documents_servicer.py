"""`vestibule.knowledge.v1.PersonalDocumentsService`: a user's documents and sources, for user-service."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from chassis.grpc.timestamps import timestamp
from vestibule.knowledge.v1 import personal_documents_service_pb2 as pb
from vestibule.knowledge.v1.personal_documents_service_pb2_grpc import PersonalDocumentsServiceServicer
from vestibule.users.v1 import export_pb2

from knowledge_service.domain.document import Document
from knowledge_service.domain.source import Source, SourceFile
from knowledge_service.domain.unit_of_work import UnitsOfWork
from knowledge_service.usecases.export import ExportDocuments, ExportSources


class PersonalDocumentsServicer(PersonalDocumentsServiceServicer):
    """Runs one use case per call."""

    def __init__(self, units: UnitsOfWork) -> None:
        self._export_documents = ExportDocuments(units)
        self._export_sources = ExportSources(units)

    async def ExportDocuments(
        self, request: pb.ExportDocumentsRequest, context: Any
    ) -> pb.ExportDocumentsResponse:
        """Returns a page of a user's documents."""
        user_id, after = UUID(request.user_id), UUID(request.after) if request.HasField("after") else None
        exported = await self._export_documents(user_id=user_id, after=after)
        sources = await self._export_sources(user_id=user_id) if after is None else ()
        return pb.ExportDocumentsResponse(
            documents=[_message(*each) for each in exported], sources=[_source(*each) for each in sources]
        )


def _message(document: Document, text: str) -> export_pb2.DocumentData:
    return export_pb2.DocumentData(
        id=str(document.id),
        title=document.title,
        text=text,
        source_url=document.source_url,
        visibility=document.visibility,
        created_at=timestamp(document.created_at),
        updated_at=timestamp(document.updated_at),
    )


def _source(source: Source, skipped: Sequence[SourceFile]) -> export_pb2.SourceData:
    return export_pb2.SourceData(
        id=str(source.id),
        url=source.url,
        user=source.user,
        created_at=timestamp(source.created_at),
        skipped_files=[each.path for each in skipped],
    )
