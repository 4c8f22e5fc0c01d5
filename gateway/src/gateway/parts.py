"""What every endpoint shares; made by the wiring."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from chassis.identity.judge import RevocationJudge
from vestibule.events.v1.events_pb2 import Event

from gateway.api.teller import Told
from gateway.cache.near_cache import NearCache
from gateway.limits.request_limits import RequestLimits
from gateway.upstream.upstreams import Upstreams


class Streams:
    """The streams being sent; they end when the gateway stops, so that nobody waits for them."""

    def __init__(self) -> None:
        self.stopping = asyncio.Event()

    async def follow(self, messages: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yields messages until they end or the gateway stops."""
        iterator = aiter(messages)
        stop = asyncio.ensure_future(self.stopping.wait())
        try:
            while True:
                following = asyncio.ensure_future(anext(iterator))
                done, _ = await asyncio.wait({following, stop}, return_when=asyncio.FIRST_COMPLETED)
                if following not in done:
                    following.cancel()
                    return
                try:
                    message = following.result()
                except StopAsyncIteration:
                    return
                yield message
        finally:
            stop.cancel()


@dataclass(frozen=True, slots=True)
class Parts:
    """The gateway's parts.

    Attributes:
        upstreams: Where services are.
        judge: Judges tokens.
        limits: Counts requests.
        cache: Keeps answers.
        on_event: Takes in what calls committed.
        deadline_seconds: How long a call may take when its policy does not say.
        streams: The streams being sent.
        now: The monotonic clock that deadlines are told by.
    """

    upstreams: Upstreams
    judge: RevocationJudge
    limits: RequestLimits
    cache: NearCache[Told]
    on_event: Callable[[Event], object]
    deadline_seconds: float
    streams: Streams = field(default_factory=Streams)
    now: Callable[[], float] = time.monotonic
