"""Whose request it is: `X-Forwarded-For` counts only behind trusted proxies, from the right."""

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address


class TrustedProxies:
    """The networks whose word on the client's address is taken."""

    def __init__(self, networks: tuple[IPv4Network | IPv6Network, ...]) -> None:
        self._networks = networks
        self.trusts = lru_cache(maxsize=4096)(self._trusts)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def client(self, peer: str, forwarded_for: bytes) -> str:
        """Returns the address nearest to us that no trusted proxy has.

        Args:
            peer: Who connected; trusted, or the header would not count.
            forwarded_for: The header as it came, the nearest address last.
        """
        nearest = peer
        for part in reversed(forwarded_for.decode("latin-1").split(",")):
            address = part.strip()
            if not _is_address(address):
                return nearest
            nearest = address
            if not self.trusts(address):
                return nearest
        return nearest

    def _trusts(self, address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped:
            parsed = parsed.ipv4_mapped
        return any(parsed in network for network in self._networks)


def counted_as(address: str) -> str:
    """Returns what limits count a client under: IPv6 clients own the lower half of their addresses."""
    if ":" not in address:
        return address
    try:
        network = IPv6Network(f"{address}/64", strict=False)
    except ValueError:
        return address
    return str(network)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
