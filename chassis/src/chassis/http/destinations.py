"""Which servers may be connected to when a user names the URL, but the request comes from inside.

The host is resolved here, each of its addresses has to be public or allowed by the operator, and the caller
connects to the address that was checked: a second resolution could give another one.
"""

import asyncio
import re
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from urllib.parse import urlsplit

from chassis.addresses import Network, parse_address

Address = IPv4Address | IPv6Address

_PUBLIC_IPV6 = IPv6Network("2000::/3")
"""What is assigned publicly. The rest is private, as `fec0::/10` once was, or leads to IPv4 addresses."""

NO_URL = "is not a URL"
NOT_HTTPS = "must be an https URL"
MALFORMED = "must have a host, and neither a user nor a fragment"
INSIDE = "must not lead into a private network"

_CHARACTERS = re.compile(r"[!#$%&'()*+,./0-9:;=?@A-Z\[\]_a-z~-]+")
"""Of a URI (RFC 3986). Parsers drop line breaks and tabs, and disagree about the others."""


class UrlRefused(Exception):
    """The URL may not be connected to; the text says why."""


class Destinations:
    """The public Internet, and the networks that an operator allows besides."""

    def __init__(self, *, allows_http: bool = False, networks: Sequence[Network] = ()) -> None:
        """Takes the operator's exceptions.

        Args:
            allows_http: Whether URLs may be `http`.
            networks: Networks that may be connected to although they are not public.
        """
        self._allows_http = allows_http
        self._networks = networks

    def check(self, url: str) -> None:
        """Checks what can be known of a URL without resolving its host.

        Raises:
            UrlRefused: nothing would be connected to.
        """
        if not _CHARACTERS.fullmatch(url):
            raise UrlRefused(NO_URL)
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
            # A label that is empty or too long would end the resolution with this error as well.
            (host or "").encode("idna")
        except ValueError as error:
            raise UrlRefused(NO_URL) from error
        if parts.scheme != "https" and not (parts.scheme == "http" and self._allows_http):
            raise UrlRefused(NOT_HTTPS)
        if not host or "@" in parts.netloc or parts.fragment or port == 0:
            raise UrlRefused(MALFORMED)
        address = parse_address(host)
        if address is not None and not self._is_allowed(address):
            raise UrlRefused(INSIDE)

    async def resolve(self, url: str) -> str:
        """Returns the first address of the host, if all of them are allowed: one may be a trap.

        Raises:
            OSError: the host has no address.
            UrlRefused: the URL or an address is not allowed.
        """
        self.check(url)
        found = await asyncio.get_running_loop().getaddrinfo(
            urlsplit(url).hostname or "", None, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )
        addresses = [str(entry[4][0]) for entry in found]
        for text in addresses:
            address = parse_address(text)
            if address is None or not self._is_allowed(address):
                raise UrlRefused(INSIDE)
        return addresses[0]

    def _is_allowed(self, address: Address) -> bool:
        if any(address.version == network.version and address in network for network in self._networks):
            return True
        # 6to4 and Teredo lead to an IPv4 address that may be private.
        if isinstance(address, IPv6Address) and (
            address not in _PUBLIC_IPV6 or address.sixtofour or address.teredo
        ):
            return False
        return address.is_global and not address.is_multicast
