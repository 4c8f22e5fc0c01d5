"""Documents as protobuf messages."""

from chassis.grpc.timestamps import timestamp
from vestibule.knowledge.v1 import document_service_pb2 as pb

from knowledge_service.domain.document import Document, IndexState

_STATES = {
    IndexState.WAITING: pb.INDEX_STATE_WAITING,
    IndexState.WORDS: pb.INDEX_STATE_WORDS,
    IndexState.COMPLETE: pb.INDEX_STATE_COMPLETE,
}


def document_message(document: Document, model: str, text: str | None = None) -> pb.Document:
    """Returns a document as a message.

    Args:
        document: The document.
        model: The embedder's model; empty without one.
        text: Its text; None in lists.
    """
    return pb.Document(
        id=str(document.id),
        owner_id=str(document.owner_id),
        title=document.title,
        text=text,
        source_url=document.source_url,
        visibility=document.visibility,
        index_state=_STATES[document.index_state(model)],
        created_at=timestamp(document.created_at),
        updated_at=timestamp(document.updated_at),
    )
