"""Whose request it is: what a proxy says of the client counts only if it is trusted, read from the right."""

import re
from collections.abc import Iterator
from functools import lru_cache

from chassis.addresses import Network, normal_address, normal_network, parse_address

from gateway.http.forwarded import parameters, split_from_right
from gateway.settings import ForwardedHeader

_PEERS_REMEMBERED = 4096
# A port is a number, or behind an underscore any name (RFC 7239, 6).
_PORT = r"(?::(?:[0-9]{1,5}|_[A-Za-z0-9._-]+))?"
_BRACKETED = re.compile(rf"\[([^\[\]]+)\]{_PORT}")
# Without brackets a port can be told from the address behind a dotted end or eight groups only.
_BARE = re.compile(
    rf"((?:[0-9A-Fa-f:]*:)?[0-9]+(?:\.[0-9]+){{3}}|(?:[0-9A-Fa-f]{{1,4}}:){{7}}[0-9A-Fa-f]{{1,4}}){_PORT}"
)


class TrustedProxies:
    """The networks whose word on the client is taken."""

    def __init__(self, networks: tuple[Network, ...], header: ForwardedHeader = "any") -> None:
        """Takes the proxies and how they name the client.

        Args:
            networks: Where proxies are.
            header: The header that they write; any other is a client's own and says nothing. With
                `any`, both are read, and where they differ neither is believed.
        """
        self._networks = tuple(normal_network(network) for network in networks)
        self._header = header
        self.trusts = lru_cache(maxsize=_PEERS_REMEMBERED)(self._trusts)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def client(self, peer: str, x_forwarded_for: bytes | None, forwarded: bytes | None) -> str:
        """Returns the address nearest to us that no trusted proxy has, in its normal form.

        Reading stops at the first element that is no address, such as `unknown`: the hop that
        wrote it is the nearest that is known. What a client writes itself stands to the left of
        what the proxies add, and is never reached.

        Args:
            peer: Who connected, in normal form; trusted, or the headers would not count.
            x_forwarded_for: That header, its lines joined by commas; None when there is none.
            forwarded: Likewise.
        """
        found = set()
        if x_forwarded_for is not None and self._header != "forwarded":
            elements = split_from_right(x_forwarded_for.decode("latin-1"), ",")
            found.add(self._nearest(peer, elements))
        if forwarded is not None and self._header != "x-forwarded-for":
            found.add(self._nearest(peer, _for(forwarded)))
        # A proxy that writes one header passes the other on as the client made it up.
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
    """Yields the `for` of each element from the right; nothing readable for one that has none."""
    for element in split_from_right(forwarded.decode("latin-1"), ","):
        yield parameters(element).get("for", "unknown")


def _address(node: str) -> str | None:
    """Returns the address that a proxy wrote: bare or quoted, with or without brackets and port."""
    node = node.strip(" \t")
    if len(node) > 1 and node[0] == node[-1] == '"':
        node = node[1:-1].strip(" \t")
    match = _BRACKETED.fullmatch(node) or _BARE.fullmatch(node)
    text = node if match is None else match[1]
    return None if parse_address(text) is None else normal_address(text)
