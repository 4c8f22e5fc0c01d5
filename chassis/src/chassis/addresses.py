"""IP addresses of clients: one normal form for limits, audit and logs, and which addresses are one client.

An IPv4 client can reach a server by IPv6: through a dual-stack listener (`::ffff:203.0.113.5`) or a
translator (`64:ff9b::cb00:7105`). All such clients share one /64, so limits per /64 would treat them as
one client, and each client would have two addresses.
"""

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Network = IPv4Network | IPv6Network

_ADDRESSES_CACHED = 16_384
_IPV4_BITS = 32
_IPV4_PREFIX_LENGTH = 96
_CLIENT_PREFIX_LENGTH = 64
_SITE_PREFIX_LENGTH_4, _SITE_PREFIX_LENGTH_6 = 24, 48
"""What one customer may have: the least that is routed in IPv4, and a site's in IPv6 (RFC 6177)."""

_EMBEDS_IPV4 = tuple(
    IPv6Network(prefix)
    for prefix in (
        "::ffff:0:0/96",  # IPv4-mapped, RFC 4291: on a dual-stack listener
        "::ffff:0:0:0/96",  # IPv4-translated, RFC 2765
        "64:ff9b::/96",  # NAT64 and SIIT, RFC 6052
        "64:ff9b:1::/48",  # NAT64 within one network, RFC 8215, with 96-bit prefixes
    )
)


def normal_address(text: str) -> str:
    """Returns an address in the form that is compared, counted and stored.

    An IPv4 address that is written as an IPv6 address becomes IPv4, an IPv6 address takes its
    shortest form in lower case, and a zone (`fe80::1%eth0`) is dropped: it has no meaning on other machines.

    Args:
        text: An IPv4 or IPv6 address, without port and brackets.

    Returns:
        The normal form; the text itself if it is not an address.
    """
    # Most addresses are IPv4, which has only one spelling.
    return text if ":" not in text else _normal_ipv6(text)


def counted_as(address: str) -> str:
    """Returns the address or network that limits count a client as.

    An IPv6 client has at least a /64, so it counts as that network. With 6to4 or Teredo it has only an IPv4
    address, and counts as that.

    Args:
        address: In any spelling.

    Returns:
        An IPv4 address, an IPv6 network (`2001:db8:1:2::/64`), or the text if it is not an address.
    """
    return address if ":" not in address else _counted_ipv6(address)


def site_of(address: str) -> str:
    """Returns the network whose addresses may all be one customer's: an IPv4 /24 or an IPv6 /48.

    Args:
        address: In any spelling.

    Returns:
        The network (`203.0.113.0/24`, `2001:db8:1::/48`), or the text if it is not an address.
    """
    return _site(counted_as(address).partition("/")[0])


def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """Returns the address that `normal_address` formats; None if the text is not an address."""
    try:
        # Only a zone may follow a percent sign, and only behind an IPv6 address.
        parsed = ip_address(text.partition("%")[0] if ":" in text else text)
    except ValueError:
        return None
    return (_embedded(parsed) or parsed) if isinstance(parsed, IPv6Address) else parsed


def normal_network(network: Network) -> Network:
    """Returns the network of the normal forms: `10.0.0.0/8` for `::ffff:10.0.0.0/104`."""
    if isinstance(network, IPv4Network) or network.prefixlen < _IPV4_PREFIX_LENGTH:
        return network
    embedded = _embedded(network.network_address)
    if embedded is None:
        return network
    return IPv4Network((embedded, network.prefixlen - _IPV4_PREFIX_LENGTH))


@lru_cache(maxsize=_ADDRESSES_CACHED)
def _normal_ipv6(text: str) -> str:
    parsed = parse_address(text)
    return text if parsed is None else str(parsed)


@lru_cache(maxsize=_ADDRESSES_CACHED)
def _counted_ipv6(text: str) -> str:
    parsed = parse_address(text)
    if parsed is None:
        return text
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    behind = parsed.sixtofour or (parsed.teredo[1] if parsed.teredo else None)
    return str(behind or IPv6Network((int(parsed), _CLIENT_PREFIX_LENGTH), strict=False))


@lru_cache(maxsize=_ADDRESSES_CACHED)
def _site(address: str) -> str:
    match parse_address(address):
        case IPv4Address() as parsed:
            return str(IPv4Network((int(parsed), _SITE_PREFIX_LENGTH_4), strict=False))
        case IPv6Address() as parsed:
            return str(IPv6Network((int(parsed), _SITE_PREFIX_LENGTH_6), strict=False))
    return address


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """Returns the IPv4 address that is embedded in an IPv6 address; None if there is none."""
    if any(address in prefix for prefix in _EMBEDS_IPV4):
        return IPv4Address(int(address) % 2**_IPV4_BITS)
    return None
