"""Applies events to this process's memory: revocations, cached responses, open streams."""

from chassis.auth_client.revocation_feed import RevocationFeed
from chassis.dataclass import dataclass
from vestibule.events.v1.events_pb2 import Event

from gateway.api.response_encoder import EncodedResponse
from gateway.cache.near_cache import NearCache
from gateway.streams.registry import StreamRegistry


@dataclass(frozen=True, slots=True)
class EventHandler:
    """Handles events from the stream and from the responses of calls."""

    feed: RevocationFeed
    cache: NearCache[EncodedResponse]
    streams: StreamRegistry

    def on_event(self, event: Event) -> bool:
        """Applies an event; returns whether it concerned this process."""
        revokes = self.feed.on_event(event)
        if revokes:
            self.streams.on_revoked(event.tokens_revoked)
        self.cache.drop(event.tags)
        return revokes or bool(event.tags)

    async def on_lost(self) -> None:
        """Restores a correct state after events may have been lost."""
        self.cache.clear()
        await self.feed.on_lost()
        self.streams.on_lost()
