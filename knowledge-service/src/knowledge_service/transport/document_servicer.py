"""`vestibule.knowledge.v1.DocumentService`: documents, for clients."""

from typing import Any
from uuid import UUID

from chassis.clock import Clock
from chassis.grpc.paging import requested_page, time_of_key
from chassis.identity.caller import current_caller
from google.protobuf.empty_pb2 import Empty
from vestibule.knowledge.v1 import document_service_pb2 as pb
from vestibule.knowledge.v1.document_service_pb2_grpc import DocumentServiceServicer

from knowledge_service.domain.document import Content, Position
from knowledge_service.domain.unit_of_work import UnitsOfWork
from knowledge_service.domain.visibility import Visibility
from knowledge_service.transport.messages import document_message
from knowledge_service.usecases.documents import DeleteDocument, GetDocument, ListDocuments, PutDocument
from knowledge_service.usecases.indexing import IndexDocument, RemoveFromIndex


class DocumentServicer(DocumentServiceServicer):
    """Runs one use case per call."""

    def __init__(
        self,
        units: UnitsOfWork,
        index_document: IndexDocument,
        remove_from_index: RemoveFromIndex,
        clock: Clock,
    ) -> None:
        self._model = index_document.model
        self._put_document = PutDocument(units, index_document, clock)
        self._list_documents = ListDocuments(units)
        self._get_document = GetDocument(units)
        self._delete_document = DeleteDocument(units, remove_from_index)

    async def PutDocument(self, request: pb.PutDocumentRequest, context: Any) -> pb.PutDocumentResponse:
        """Creates or replaces a document."""
        content = Content(
            title=request.title,
            text=request.text,
            source_url=request.source_url if request.HasField("source_url") else None,
        )
        document, created = await self._put_document(
            caller=current_caller(),
            document_id=UUID(request.document_id),
            content=content,
            visibility=Visibility(request.visibility or Visibility.PRIVATE),
        )
        return pb.PutDocumentResponse(
            document=document_message(document, self._model, content.text), created=created
        )

    async def ListDocuments(self, request: pb.ListDocumentsRequest, context: Any) -> pb.ListDocumentsResponse:
        """Lists documents."""
        requested = requested_page(request, _position)
        page = await self._list_documents(
            caller=current_caller(), after=requested.after, offset=requested.offset, size=requested.size
        )
        last = page.documents[-1] if page.has_next else None
        return pb.ListDocumentsResponse(
            documents=[document_message(each, self._model) for each in page.documents],
            pagination=requested.pagination(page.total_items, [last.created_at, last.id] if last else None),
        )

    async def GetDocument(self, request: pb.GetDocumentRequest, context: Any) -> pb.GetDocumentResponse:
        """Returns a document."""
        document, text = await self._get_document(
            caller=current_caller(), document_id=UUID(request.document_id)
        )
        return pb.GetDocumentResponse(document=document_message(document, self._model, text))

    async def DeleteDocument(self, request: pb.DeleteDocumentRequest, context: Any) -> Empty:
        """Deletes a document."""
        await self._delete_document(caller=current_caller(), document_id=UUID(request.document_id))
        return Empty()


def _position(created_at: str, document_id: str) -> Position:
    return Position(time_of_key(created_at), UUID(document_id))
