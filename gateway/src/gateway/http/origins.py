"""Which page of a browser sent a request: one of this origin, or another's."""

from chassis.errors import Forbidden

from gateway.http.request import Request

_SCHEMES = (b"http", b"https")


def is_own(origin: bytes, host: bytes) -> bool:
    """Returns whether an `Origin` is the gateway's own, as its client sees it in `Host`."""
    scheme, _, authority = origin.lower().partition(b"://")
    return scheme in _SCHEMES and authority == host.lower()


def require_same_origin(request: Request) -> None:
    """Checks that a page of the gateway's own origin sent the request.

    Browsers set both headers themselves, and no script can change them. `Sec-Fetch-Site` says it however
    proxies rewrite `Host`; browsers without it send `Origin` with every POST.

    Raises:
        Forbidden: another origin's page sent it, or the request does not say whose.
    """
    site = request.headers.get(b"sec-fetch-site")
    if site is not None:
        if site == b"same-origin":
            return
    else:
        origin = request.headers.get(b"origin", b"")
        # A page without TLS could be written by anyone on the way.
        is_safe = not request.secure or origin.startswith(b"https:")
        if is_safe and is_own(origin, request.headers.get(b"host", b"")):
            return
    raise Forbidden
