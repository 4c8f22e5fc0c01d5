"""One open stream: its slot, its caller, what it has carried, and the signal to end."""

import asyncio
import math
import time
from collections.abc import Callable

from chassis.dataclass import dataclass
from chassis.identity.caller import Caller
from chassis.identity.claims import Claims
from prometheus_client import Counter

from gateway.http.response import StreamSummary
from gateway.streams.bounds import Bounds
from gateway.streams.ends import End
from gateway.streams.timer import StreamTimer

_MESSAGES = Counter(
    "gateway_stream_messages_total", "Messages of streams, `received` or `sent`.", ["method", "direction"]
)
_BYTES = Counter(
    "gateway_stream_bytes_total",
    "Bytes of messages of streams, `received` or `sent`.",
    ["method", "direction"],
)


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose stream it is.

    Attributes:
        method: The method's name.
        client: What counts as one: a user, an API key or a client address.
        sender: Who sent the request, as far as that is known, for the audit.
        token: The bearer token; empty where the method is public.
        claims: What it says; None where the method is public.
        authorize: Raises where claims do not allow the method.
    """

    method: str
    client: str
    sender: Caller
    token: str = ""
    claims: Claims | None = None
    authorize: Callable[[Claims], None] | None = None

    @property
    def token_seconds(self) -> float:
        """How long the token is still valid."""
        return math.inf if self.claims is None else self.claims.expires_at - time.time()

    @property
    def key(self) -> str:
        """Names what the limit counts for."""
        return f"{self.method.lower()}:{self.client}"


class OpenStream:
    """One stream, as long as it is open.

    Attributes:
        id: Names it among the streams of all gateways.
        holder: Whose it is.
        bounds: What it may take.
        timer: Says when it ends by itself.
        ended: Done when the stream is to end, with the reason.
        summary: What it has carried, and why it ended.
    """

    def __init__(
        self, stream_id: str, holder: Holder, bounds: Bounds, on_leave: Callable[["OpenStream"], None]
    ) -> None:
        self.id = stream_id
        self.holder = holder
        self.bounds = bounds
        self.timer = StreamTimer(bounds, holder.token_seconds)
        self.ended: asyncio.Future[End] = asyncio.get_running_loop().create_future()
        self.summary = StreamSummary()
        self._on_leave = on_leave
        self._left = False
        self._received = _MESSAGES.labels(holder.method, "received"), _BYTES.labels(holder.method, "received")
        self._sent = _MESSAGES.labels(holder.method, "sent"), _BYTES.labels(holder.method, "sent")

    def received(self, size: int) -> None:
        """Counts a message from the client, by its bytes."""
        self.summary.received += 1
        self._received[0].inc()
        self._received[1].inc(size)

    def sent(self, size: int) -> None:
        """Counts a message to the client, by its bytes."""
        self.summary.sent += 1
        self._sent[0].inc()
        self._sent[1].inc(size)

    def end(self, end: End) -> None:
        """Has the stream end."""
        if not self.ended.done():
            self.ended.set_result(end)

    def leave(self, end: End) -> None:
        """Gives the slot back, and notes why the stream ended; a second time it has no effect."""
        if self._left:
            return
        self._left = True
        self.summary.end = end.reason
        self.ended.cancel()
        self._on_leave(self)
