"""Cross-origin calls: by an allow-list, with the bearer token and without cookies."""

from collections.abc import Iterable

from gateway.http.request import Request
from gateway.http.response import Header, Response

_READ_EVERYWHERE = frozenset(
    {
        "Authorization",
        "Content-Type",
        "Idempotency-Key",
        "If-None-Match",
        "X-Request-ID",
        # What browsers' tracing sends with every call, whether or not it is believed.
        "baggage",
        "traceparent",
        "tracestate",
    }
)
_EXPOSED_HEADERS = b", ".join(
    (
        b"Allow",
        b"ETag",
        b"Idempotency-Replayed",
        b"RateLimit",
        b"RateLimit-Policy",
        b"Retry-After",
        b"WWW-Authenticate",
        b"X-Request-ID",
    )
)
_MAX_AGE = b"600"


class Cors:
    """Which origins may call, and how they are told."""

    def __init__(self, origins: tuple[str, ...], headers: Iterable[str] = ()) -> None:
        """Takes who may call and what is read of their calls.

        Args:
            origins: Those allowed.
            headers: What routes read, besides what is read of every request.
        """
        self._origins = frozenset(origin.encode() for origin in origins)
        self._allowed_headers = ", ".join(sorted(_READ_EVERYWHERE.union(headers), key=str.lower)).encode()

    def preflight(self, request: Request, allowed: str) -> Response | None:
        """Returns the answer to a preflight; None when the request is none.

        Args:
            request: The request.
            allowed: The methods of its path, separated by commas.
        """
        if request.method != "OPTIONS" or b"access-control-request-method" not in request.headers:
            return None
        headers: list[Header] = []
        if request.headers.get(b"origin") in self._origins:
            headers = [
                (b"access-control-allow-methods", allowed.encode()),
                (b"access-control-allow-headers", self._allowed_headers),
                (b"access-control-max-age", _MAX_AGE),
            ]
        return Response(204, headers=headers)

    def headers(self, request: Request) -> list[Header]:
        """Returns what lets a browser hand the answer to its page."""
        if not self._origins:
            return []
        origin = request.headers.get(b"origin", b"")
        if origin not in self._origins:
            return [(b"vary", b"Origin")]
        return [
            (b"vary", b"Origin"),
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", _EXPOSED_HEADERS),
        ]
