"""Documents as protobuf messages, and cursors of lists."""

import base64
import binascii
import struct
from datetime import UTC, datetime, timedelta
from uuid import UUID

from chassis.errors import Invalid
from chassis.grpc.timestamps import timestamp
from vestibule.api.v1.pagination_pb2 import Pagination
from vestibule.knowledge.v1 import document_service_pb2 as pb

from knowledge_service.domain.document import Document, IndexState, Page, Position
from knowledge_service.domain.source import Source

_STATES = {
    IndexState.WAITING: pb.INDEX_STATE_WAITING,
    IndexState.WORDS: pb.INDEX_STATE_WORDS,
    IndexState.COMPLETE: pb.INDEX_STATE_COMPLETE,
}

_CURSOR = struct.Struct(">Iq16s")
"""Number of the next page; microseconds and id of the document that it begins after."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECONDS_MAX = 2**53
_PAGE_MAX = 2**31


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


def pagination_message(page: Page) -> Pagination:
    """Returns the position of a page in its list."""
    return Pagination(
        page=page.number,
        page_size=page.size,
        total_items=page.total_items,
        total_pages=page.total_pages,
        has_next=page.has_next,
        has_prev=page.number > 1,
        next_cursor=encode_cursor(page.number + 1, page.documents[-1]) if page.has_next else None,
    )


def encode_cursor(page: int, last: Document | Source) -> str:
    """Returns the cursor of a page that begins after a document or source."""
    microseconds = (last.created_at - _EPOCH) // timedelta(microseconds=1)
    return base64.urlsafe_b64encode(_CURSOR.pack(page, microseconds, last.id.bytes)).rstrip(b"=").decode()


def decode_cursor(text: str) -> tuple[int, Position]:
    """Returns the number of a page and the position that it begins after.

    Raises:
        Invalid: the text is no cursor.
    """
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        page, microseconds, identifier = _CURSOR.unpack(raw)
    except (ValueError, binascii.Error, struct.error) as error:
        raise Invalid.on("cursor", "is not a cursor of this list") from error
    if not (1 < page < _PAGE_MAX and 0 <= microseconds < _MICROSECONDS_MAX):
        raise Invalid.on("cursor", "is not a cursor of this list")
    return page, Position(_EPOCH + timedelta(microseconds=microseconds), UUID(bytes=identifier))
