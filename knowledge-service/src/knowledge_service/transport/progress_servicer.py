"""`vestibule.knowledge.v1.ProgressService`: the progress of indexing, for clients."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from chassis.identity.caller import current_caller
from vestibule.knowledge.v1 import progress_service_pb2 as pb
from vestibule.knowledge.v1.progress_service_pb2_grpc import ProgressServiceServicer

from knowledge_service.usecases.progress import StreamProgress


class ProgressServicer(ProgressServiceServicer):
    """Runs one use case per call."""

    def __init__(self, stream_progress: StreamProgress) -> None:
        self._stream_progress = stream_progress

    async def StreamProgress(
        self, request: pb.StreamProgressRequest, context: Any
    ) -> AsyncGenerator[pb.StreamProgressResponse, None]:
        """Streams the progress."""
        async with aclosing(self._stream_progress(caller=current_caller())) as changes:
            async for each in changes:
                yield pb.StreamProgressResponse(
                    documents=each.documents, waiting=each.waiting, words=each.words, sources=each.sources
                )
