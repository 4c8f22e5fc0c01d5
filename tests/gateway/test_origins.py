"""Which page may have its refresh token in a cookie: one of the gateway's own origin."""

from ipaddress import ip_network

import pytest
from chassis.errors import Forbidden
from gateway.http.client_address import TrustedProxies
from gateway.http.origins import require_same_origin
from gateway.http.request import Request

Headers = list[tuple[bytes, bytes]]
HTTPS = (b"x-forwarded-proto", b"https")
HOST = (b"host", b"app.example.com")


async def _receive() -> dict[str, object]:
    raise AssertionError("no body is read")


def _request(headers: Headers) -> Request:
    scope = {
        "method": "POST",
        "raw_path": b"/api/auth/refresh",
        "query_string": b"",
        "http_version": "1.1",
        "client": ("10.0.0.9", 1),
        "headers": [HOST, HTTPS, *headers],
    }
    return Request.of(scope, _receive, TrustedProxies((ip_network("10.0.0.0/8"),)))


@pytest.mark.parametrize(
    "headers",
    [
        [(b"sec-fetch-site", b"same-origin")],
        [(b"sec-fetch-site", b"same-origin"), (b"origin", b"https://elsewhere.example.com")],
        [(b"origin", b"https://app.example.com")],
        [(b"origin", b"https://APP.example.com")],
    ],
)
def test_its_own_pages(headers: Headers) -> None:
    """Browsers that say which site it is, however proxies write the host, and those that name the origin."""
    require_same_origin(_request(headers))


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"sec-fetch-site", b"same-site")],
        [(b"sec-fetch-site", b"cross-site"), (b"origin", b"https://app.example.com")],
        [(b"sec-fetch-site", b"same-origin"), (b"sec-fetch-site", b"cross-site")],
        [(b"sec-fetch-site", b"none")],
        [(b"origin", b"null")],
        [(b"origin", b"https://app.example.com.evil.example")],
        [(b"origin", b"https://app.example.com:8443")],
        [(b"origin", b"https://evil.example@app.example.com")],
        [(b"origin", b"http://app.example.com")],
        [(b"origin", b"https://app.example.com"), (b"origin", b"https://evil.example")],
    ],
)
def test_everyone_else(headers: Headers) -> None:
    """Another host, another port, a page without TLS where the request has it, and who does not say."""
    with pytest.raises(Forbidden):
        require_same_origin(_request(headers))


def test_cookies_in_two_fields_are_not_mixed_up() -> None:
    """HTTP/2 sends a field for each; joined by commas, one would be part of the other."""
    assert _request([(b"cookie", b"a=1"), (b"cookie", b"b=2")]).headers[b"cookie"] == b"a=1; b=2"
