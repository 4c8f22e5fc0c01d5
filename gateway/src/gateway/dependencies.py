"""What all endpoints need; built once by the wiring."""

import time
from collections.abc import Callable

from chassis.auth_client.authenticator import TokenAuthenticator
from chassis.dataclass import dataclass
from vestibule.events.v1.events_pb2 import Event

from gateway.api.response_encoder import EncodedResponse
from gateway.cache.near_cache import NearCache
from gateway.limits.request_limits import RequestLimits
from gateway.streams.registry import StreamRegistry
from gateway.upstream.upstreams import Upstreams


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What all endpoints need, and share.

    Attributes:
        upstreams: Where services are.
        authenticator: Authenticates tokens.
        limits: Counts requests.
        cache: Caches responses.
        on_event: Applies events that calls committed.
        deadline_seconds: Deadline of calls whose policy has none.
        streams: The streams that are open.
        origins: Whose pages may open WebSockets, besides the gateway's own.
        now: The monotonic clock for deadlines.
    """

    upstreams: Upstreams
    authenticator: TokenAuthenticator
    limits: RequestLimits
    cache: NearCache[EncodedResponse]
    on_event: Callable[[Event], object]
    deadline_seconds: float
    streams: StreamRegistry
    origins: frozenset[bytes] = frozenset()
    now: Callable[[], float] = time.monotonic
