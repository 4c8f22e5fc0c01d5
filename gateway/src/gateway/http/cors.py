"""Cross-origin calls: by an allow-list, with the bearer token and without cookies."""

from gateway.http.answer import Answer, Header
from gateway.http.request import Request

_ALLOWED_HEADERS = b"Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Request-ID"
_EXPOSED_HEADERS = b"ETag, Idempotency-Replayed, RateLimit, RateLimit-Policy, Retry-After, X-Request-ID"
_MAX_AGE = b"600"


class Cors:
    """Which origins may call, and how they are told."""

    def __init__(self, origins: tuple[str, ...]) -> None:
        self._origins = frozenset(origin.encode() for origin in origins)

    def preflight(self, request: Request, allowed: str) -> Answer | None:
        """Returns the answer to a preflight; None when the request is none.

        Args:
            request: The request.
            allowed: The methods of its path, separated by commas.
        """
        if request.verb != "OPTIONS" or b"access-control-request-method" not in request.headers:
            return None
        headers: list[Header] = []
        if request.headers.get(b"origin") in self._origins:
            headers = [
                (b"access-control-allow-methods", allowed.encode()),
                (b"access-control-allow-headers", _ALLOWED_HEADERS),
                (b"access-control-max-age", _MAX_AGE),
            ]
        return Answer(204, headers=headers)

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
