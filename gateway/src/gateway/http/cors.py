"""Cross-origin requests: allowed by a list of origins, with the bearer token and without cookies."""

from collections.abc import Iterable

from gateway.http.request import Request
from gateway.http.response import Header, Response

_ALWAYS_ALLOWED = frozenset(
    {
        "Authorization",
        "Content-Type",
        "Idempotency-Key",
        "If-None-Match",
        "X-Request-ID",
        # Browsers' tracing sends these with every call; most are ignored.
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
        b"Stream-Lifetime",
        b"WWW-Authenticate",
        b"X-Request-ID",
    )
)
_MAX_AGE = b"600"


class Cors:
    """The headers for allowed origins.

    Attributes:
        origins: The allowed origins.
    """

    def __init__(self, origins: tuple[str, ...], headers: Iterable[str] = ()) -> None:
        """Makes the headers for the allowed origins.

        Args:
            origins: The allowed origins.
            headers: Request headers that routes read, besides those that every route reads.
        """
        self.origins = frozenset(origin.encode() for origin in origins)
        self._allowed_headers = ", ".join(sorted(_ALWAYS_ALLOWED.union(headers), key=str.lower)).encode()

    def preflight(self, request: Request, allowed: str) -> Response | None:
        """Returns the response to a preflight; None if the request is not one.

        Args:
            request: The request.
            allowed: The methods of the path, separated by commas.
        """
        if request.method != "OPTIONS" or b"access-control-request-method" not in request.headers:
            return None
        headers: list[Header] = []
        if request.headers.get(b"origin") in self.origins:
            headers = [
                (b"access-control-allow-methods", allowed.encode()),
                (b"access-control-allow-headers", self._allowed_headers),
                (b"access-control-max-age", _MAX_AGE),
            ]
        return Response(204, headers=headers)

    def headers(self, request: Request) -> list[Header]:
        """Returns the headers by which a browser gives the response to the page."""
        if not self.origins:
            return []
        origin = request.headers.get(b"origin", b"")
        if origin not in self.origins:
            return [(b"vary", b"Origin")]
        return [
            (b"vary", b"Origin"),
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", _EXPOSED_HEADERS),
        ]
