"""The client's address: read from the right of what proxies report, as long as they are trusted."""

import re
from collections.abc import Iterator
from functools import lru_cache

from chassis.addresses import Network, normal_address, normal_network, parse_address

from gateway.http.forwarded import parameters, split_from_right
from gateway.settings import ForwardedHeader

_PEERS_CACHED = 4096
# A port is a number, or behind an underscore any name (RFC 7239, 6).
_PORT = r"(?::(?:[0-9]{1,5}|_[A-Za-z0-9._-]+))?"
_BRACKETED = re.compile(rf"\[([^\[\]]+)\]{_PORT}")
# Without brackets, a port can be recognised only after dotted decimals or eight groups.
_BARE = re.compile(
    rf"((?:[0-9A-Fa-f:]*:)?[0-9]+(?:\.[0-9]+){{3}}|(?:[0-9A-Fa-f]{{1,4}}:){{7}}[0-9A-Fa-f]{{1,4}}){_PORT}"
)


class TrustedProxies:
    """The proxies whose report of the client's address is believed."""

    def __init__(self, networks: tuple[Network, ...], header: ForwardedHeader = "any") -> None:
        """Makes the rule for a deployment.

        Args:
            networks: The proxies' networks.
            header: The header that the proxies write; the other is the client's own and is ignored. With
                `any`, both are read, and if they differ neither is believed.
        """
        self._networks = tuple(normal_network(network) for network in networks)
        self._header = header
        self.trusts = lru_cache(maxsize=_PEERS_CACHED)(self._trusts)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def client(self, peer: str, x_forwarded_for: bytes | None, forwarded: bytes | None) -> str:
        """Returns the rightmost address that is not a trusted proxy's, in its normal form.

        Reading stops at the first element that is not an address, such as `unknown`: the proxy that
        wrote it is the last known hop. What a client writes itself stands to the left of what proxies
        append, and is never reached.

        Args:
            peer: The address that connected, in normal form; a trusted proxy's.
            x_forwarded_for: The header, its lines joined by commas; None if absent.
            forwarded: The header, its lines joined by commas; None if absent.
        """
        found = set()
        if x_forwarded_for is not None and self._header != "forwarded":
            elements = split_from_right(x_forwarded_for.decode("latin-1"), ",")
            found.add(self._nearest(peer, elements))
        if forwarded is not None and self._header != "x-forwarded-for":
            found.add(self._nearest(peer, _for(forwarded)))
        # A proxy that writes one header passes the other on as the client sent it.
        return found.pop() if len(found) == 1 else peer

    def _nearest(self, peer: str, elements: Iterator[str]) -> str:
        nearest = peer
        for element in elements:
            address = _address(element)
            if address is None:
                break
            nearest = address
            if not self.trusts(address):
                break
        return nearest

    def _trusts(self, address: str) -> bool:
        parsed = parse_address(address)
        return parsed is not None and any(parsed in network for network in self._networks)


def _for(forwarded: bytes) -> Iterator[str]:
    """Yields the `for` parameter of each element from the right; `unknown` for an element without one."""
    for element in split_from_right(forwarded.decode("latin-1"), ","):
        yield parameters(element).get("for", "unknown")


def _address(node: str) -> str | None:
    """Returns the address in a node, which may have quotes, brackets and a port; None if there is none."""
    node = node.strip(" \t")
    if len(node) > 1 and node[0] == node[-1] == '"':
        node = node[1:-1].strip(" \t")
    match = _BRACKETED.fullmatch(node) or _BARE.fullmatch(node)
    text = node if match is None else match[1]
    return None if parse_address(text) is None else normal_address(text)
