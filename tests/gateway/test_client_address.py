"""Whose request it is, by what trusted proxies write."""

from ipaddress import ip_network

import pytest
from devstack.valkey import Valkey
from gateway.http.client_address import TrustedProxies
from gateway.http.forwarded import used_tls
from gateway.settings import ForwardedHeader

from tests.gateway.stack import FakeUpstream, bearer, serving_gateway, serving_users, settings
from tests.user_service.auth_stand_in import AuthStandIn

NETWORKS = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
PROXIES = TrustedProxies(NETWORKS)
PROXY = "10.0.0.1"


def by_x_forwarded_for(header: bytes) -> str:
    return PROXIES.client(PROXY, header, None)


def by_forwarded(header: bytes) -> str:
    return PROXIES.client(PROXY, None, header)


@pytest.mark.parametrize(
    ("header", "client"),
    [
        (b"203.0.113.9", "203.0.113.9"),
        (b"6.6.6.6, 203.0.113.9", "203.0.113.9"),
        (b"6.6.6.6, 203.0.113.9, 10.1.1.1", "203.0.113.9"),
        (b"10.9.9.9, 10.1.1.1", "10.9.9.9"),
        (b"2001:db8::1, fd00::2", "2001:db8::1"),
        (b"6.6.6.6,203.0.113.9,[fd00::2]:80,10.1.1.1:8080", "203.0.113.9"),
        (b"203.0.113.9, ::ffff:10.1.1.1", "203.0.113.9"),
    ],
)
def test_the_client_is_read_from_the_right(header: bytes, client: str) -> None:
    """The nearest address that no trusted proxy has; what a client writes itself stands to the left."""
    assert by_x_forwarded_for(header) == client


@pytest.mark.parametrize(
    ("element", "client"),
    [
        (b"192.0.2.7:40001", "192.0.2.7"),
        (b"[2001:db8::7]:443", "2001:db8::7"),
        (b"[2001:db8::7]", "2001:db8::7"),
        (b"2001:db8::7", "2001:db8::7"),
        (b"2001:DB8:0:0:0:0:0:7", "2001:db8::7"),
        (b"2001:db8:0:0:0:0:0:7:443", "2001:db8::7"),
        (b'"203.0.113.9"', "203.0.113.9"),
        (b'"203.0.113.9:1234"', "203.0.113.9"),
        (b'"[2001:db8::7]:443"', "2001:db8::7"),
        (b'"[2001:db8::7]"', "2001:db8::7"),
        (b"::ffff:203.0.113.5", "203.0.113.5"),
        (b"::ffff:203.0.113.5:40001", "203.0.113.5"),
        (b"[::ffff:203.0.113.5]:40001", "203.0.113.5"),
        (b'"[::FFFF:cb00:7105]"', "203.0.113.5"),
        (b"64:ff9b::203.0.113.5", "203.0.113.5"),
        (b"[203.0.113.9]:80", "203.0.113.9"),
        (b"[fe80::1%eth0]:443", "fe80::1"),
        (b"\t 203.0.113.9 \t", "203.0.113.9"),
    ],
)
def test_every_form_that_proxies_write(element: bytes, client: str) -> None:
    """Port, brackets, quotes, white space and mapped addresses; alone, and behind what a client sent."""
    assert by_x_forwarded_for(element) == client
    assert by_x_forwarded_for(b"6.6.6.6," + element + b", 10.1.1.1") == client
    if b'"' not in element:
        assert by_forwarded(b'for="' + element + b'"') == client


@pytest.mark.parametrize(
    ("header", "client"),
    [
        (b"", PROXY),
        (b" , ,", PROXY),
        (b"nonsense, 10.1.1.1", "10.1.1.1"),
        (b"203.0.113.9, nonsense", PROXY),
        (b"203.0.113.9, unknown", PROXY),
        (b"203.0.113.9, unix:", PROXY),
        (b"203.0.113.9, 010.0.0.1", PROXY),
        (b"203.0.113.9, 10.0.0.1:port", PROXY),
        (b"203.0.113.9, [2001:db8::7", PROXY),
        (b"203.0.113.9, 1.2.3.4 5.6.7.8", PROXY),
        (b"203.0.113.9, \xff", PROXY),
        (b'6.6.6.6", 203.0.113.9', "203.0.113.9"),
        (b"203.0.113.9,, ", "203.0.113.9"),
    ],
)
def test_reading_stops_at_what_is_no_address(header: bytes, client: str) -> None:
    """Behind it only the client's own words can stand; the hop that wrote it is the nearest known."""
    assert by_x_forwarded_for(header) == client


@pytest.mark.parametrize(
    ("header", "client"),
    [
        (b"for=192.0.2.43", "192.0.2.43"),
        (b"For=192.0.2.43;Proto=https;by=203.0.113.43", "192.0.2.43"),
        (b"proto=http; FOR=192.0.2.43 ; host=example.org", "192.0.2.43"),
        (b'for="[2001:db8:cafe::17]:4711"', "2001:db8:cafe::17"),
        (b"for=[2001:db8:cafe::17]:4711", "2001:db8:cafe::17"),
        (b'for="192.0.2.43:47011"', "192.0.2.43"),
        (b'for="192.0.2.43:_port"', "192.0.2.43"),
        (b"for=192.0.2.43, for=198.51.100.17", "198.51.100.17"),
        (b"for=192.0.2.43, for=198.51.100.17,for=10.2.2.2", "198.51.100.17"),
        (b'for=192.0.2.43;host="a, for=6.6.6.6;b"', "192.0.2.43"),
        (b'for=192.0.2.43;host="a\\", for=6.6.6.6;b=\\""', "192.0.2.43"),
        (b'for=", for=198.51.100.17', "198.51.100.17"),
        (b'for="192.0.2.43\\', PROXY),
        (b"for=_hidden", PROXY),
        (b"for=192.0.2.43, for=_SEVKISEK", PROXY),
        (b"for=192.0.2.43, for=unknown", PROXY),
        (b"for=192.0.2.43, for=_gateway, for=10.2.2.2", "10.2.2.2"),
        (b"for=192.0.2.43, proto=https;by=10.0.0.1", PROXY),
        (b"for=192.0.2.43;for=198.51.100.17", PROXY),
        (b"for=192.0.2.43 for=198.51.100.17", PROXY),
        (b"198.51.100.17", PROXY),
        (b"", PROXY),
    ],
)
def test_forwarded(header: bytes, client: str) -> None:
    """RFC 7239, from the right likewise; quotes hide separators."""
    assert by_forwarded(header) == client


@pytest.mark.parametrize(
    ("header", "x_forwarded_for", "forwarded", "client"),
    [
        ("any", b"203.0.113.9", b"for=203.0.113.9", "203.0.113.9"),
        ("any", b"203.0.113.9:80", b'for="[::ffff:203.0.113.9]"', "203.0.113.9"),
        ("any", b"203.0.113.9", b"for=6.6.6.6", PROXY),
        ("any", b"203.0.113.9", b"for=unknown", PROXY),
        ("any", None, None, PROXY),
        ("x-forwarded-for", b"203.0.113.9", b"for=6.6.6.6", "203.0.113.9"),
        ("x-forwarded-for", None, b"for=6.6.6.6", PROXY),
        ("forwarded", b"6.6.6.6", b"for=203.0.113.9", "203.0.113.9"),
        ("forwarded", b"6.6.6.6", None, PROXY),
    ],
)
def test_two_headers(
    header: ForwardedHeader, x_forwarded_for: bytes | None, forwarded: bytes | None, client: str
) -> None:
    """A proxy writes one and passes on the other: where they differ, one is the client's invention."""
    assert TrustedProxies(NETWORKS, header).client(PROXY, x_forwarded_for, forwarded) == client


def test_only_trusted_peers_are_believed() -> None:
    """Mapped addresses and networks count as what they are."""
    assert PROXIES.trusts("10.0.0.1")
    assert PROXIES.trusts("::ffff:10.0.0.1")
    assert not PROXIES.trusts("11.0.0.1")
    assert not PROXIES.trusts("nonsense")
    assert TrustedProxies((ip_network("::ffff:10.0.0.0/104"),)).trusts("10.0.0.1")


@pytest.mark.parametrize(
    ("proto", "forwarded", "tls"),
    [
        (b"https", None, True),
        (b"HTTPS , http", None, True),
        (b"http", b"for=1.2.3.4;proto=https", False),
        (None, b"for=1.2.3.4;proto=HTTPS, for=10.0.0.2;proto=http", True),
        (None, b"for=1.2.3.4;proto=http", False),
        (None, b"", False),
        (None, None, False),
    ],
)
def test_the_client_came_by_tls(proto: bytes | None, forwarded: bytes | None, tls: bool) -> None:
    """By either header; the client's own connection is the first."""
    assert used_tls(proto, forwarded) is tls


async def test_clients_of_a_dual_stack_listener(
    auth: AuthStandIn, upstream: FakeUpstream, valkey: Valkey, token: str
) -> None:
    """An IPv4 client of `[::]` is that IPv4 address, for the proxies' networks and for the services."""
    headers = bearer(token, forwarded='for="[::ffff:203.0.113.5]:4711"')
    for trusted, seen in (("::ffff:127.0.0.0/104", "203.0.113.5"), ("10.0.0.0/8", "127.0.0.1")):
        upstream.callers.clear()
        async with serving_users(upstream) as users:
            given = settings(auth, users, valkey, host="::", trusted_proxies=trusted)
            async with serving_gateway(given) as gateway:
                port = gateway.http.base_url.port
                await gateway.http.get(f"http://127.0.0.1:{port}/api/users/me", headers=headers)

        assert [caller.client_address for caller in upstream.callers] == [seen]
