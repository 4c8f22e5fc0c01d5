"""knowledge-service's documents over gRPC."""

from uuid import UUID

from chassis.errors import DeadlineExceeded, Unavailable
from chassis.grpc.channel import ServiceChannel
from vestibule.knowledge.v1 import personal_documents_service_pb2 as pb
from vestibule.knowledge.v1.personal_documents_service_pb2_grpc import PersonalDocumentsServiceStub
from vestibule.users.v1.export_pb2 import DocumentData as DocumentMessage

from user_service.domain.export import DocumentData, ExportedDocuments

DOCUMENTS_SERVICE = pb.DESCRIPTOR.services_by_name["PersonalDocumentsService"]

TEXT_BYTES_MAX = 8 * 1024 * 1024
"""Text in an export: a response of gRPC is 16 MiB at most."""


class GrpcStoredDocuments:
    """`StoredDocuments` by knowledge-service's PersonalDocumentsService."""

    def __init__(self, channel: ServiceChannel) -> None:
        self._stub = PersonalDocumentsServiceStub(channel)

    async def export(self, user_id: UUID) -> ExportedDocuments:
        """Returns the documents of a user."""
        exported: list[DocumentMessage] = []
        size = 0
        while page := await self._page(user_id, exported[-1].id if exported else None):
            for document in page:
                size += document.ByteSize()
                if size > TEXT_BYTES_MAX:
                    return ExportedDocuments([DocumentData(each) for each in exported], is_truncated=True)
                exported.append(document)
        return ExportedDocuments([DocumentData(each) for each in exported])

    async def _page(self, user_id: UUID, after: str | None) -> list[DocumentMessage]:
        try:
            answer = await self._stub.ExportDocuments(
                pb.ExportDocumentsRequest(user_id=str(user_id), after=after)
            )
        except DeadlineExceeded as error:
            raise Unavailable from error
        return list(answer.documents)
