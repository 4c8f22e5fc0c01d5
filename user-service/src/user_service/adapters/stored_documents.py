"""knowledge-service's documents over gRPC."""

from uuid import UUID

from chassis.errors import DeadlineExceeded, Unavailable
from chassis.grpc.channel import ServiceChannel
from vestibule.knowledge.v1 import personal_documents_service_pb2 as pb
from vestibule.knowledge.v1.personal_documents_service_pb2_grpc import PersonalDocumentsServiceStub
from vestibule.users.v1.export_pb2 import DocumentData as DocumentMessage

from user_service.domain.export import DocumentData, ExportedDocuments, SourceData

DOCUMENTS_SERVICE = pb.DESCRIPTOR.services_by_name["PersonalDocumentsService"]

TEXT_BYTES_MAX = 8 * 1024 * 1024
"""Text in an export: a response of gRPC is 16 MiB at most."""


class GrpcStoredDocuments:
    """`StoredDocuments` by knowledge-service's PersonalDocumentsService."""

    def __init__(self, channel: ServiceChannel) -> None:
        self._stub = PersonalDocumentsServiceStub(channel)

    async def export(self, user_id: UUID) -> ExportedDocuments:
        """Returns the documents and sources of a user."""
        exported: list[DocumentMessage] = []
        size, is_truncated = 0, False
        page = first = await self._page(user_id, None)
        while page.documents and not is_truncated:
            for document in page.documents:
                size += document.ByteSize()
                is_truncated = size > TEXT_BYTES_MAX
                if is_truncated:
                    break
                exported.append(document)
            else:
                page = await self._page(user_id, exported[-1].id)
        return ExportedDocuments(
            [DocumentData(each) for each in exported],
            [SourceData(each) for each in first.sources],
            is_truncated=is_truncated,
        )

    async def _page(self, user_id: UUID, after: str | None) -> pb.ExportDocumentsResponse:
        try:
            return await self._stub.ExportDocuments(
                pb.ExportDocumentsRequest(user_id=str(user_id), after=after)
            )
        except DeadlineExceeded as error:
            raise Unavailable from error
