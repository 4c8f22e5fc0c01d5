"""Posts messages to endpoints on the Internet, and to none within our own networks.

An admin names the URL, but the request comes from inside: the host is resolved here, every address has to
be a public one or allowed by the operator, and the connection goes to the address that was checked.
Redirects are not followed.
"""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from urllib.parse import urlsplit

from chassis.addresses import parse_address
from chassis.http.client import NotHttp, Progress, TooLarge, exchange

from user_service.domain.webhook import Undelivered, UrlRefused

SECONDS_MAX = 15.0
RESPONSE_BYTES_MAX = 65_536

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address


class HttpWebhookPoster:
    """`WebhookPoster` by HTTP."""

    def __init__(
        self,
        *,
        allows_http: bool = False,
        networks: Sequence[Network] = (),
        tls: ssl.SSLContext | None = None,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Takes the operator's exceptions.

        Args:
            allows_http: Whether URLs may be `http`.
            networks: Networks that may be posted to although they are not public.
            tls: How servers are verified; the system's authorities by default.
            seconds_max: How long an attempt may take.
        """
        self._allows_http = allows_http
        self._networks = networks
        self._tls = tls
        self._seconds_max = seconds_max

    def check(self, url: str) -> None:
        """Checks what can be known of a URL without resolving its host.

        Raises:
            UrlRefused: nothing would be posted to it.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise UrlRefused("is not a URL") from error
        if parts.scheme != "https" and not (parts.scheme == "http" and self._allows_http):
            raise UrlRefused("must be an https URL")
        if not host or "@" in parts.netloc or parts.fragment or port == 0:
            raise UrlRefused("must have a host, and neither a user nor a fragment")
        address = parse_address(host)
        if address is not None and not self._is_allowed(address):
            raise UrlRefused("must not lead into a private network")

    async def __call__(self, url: str, headers: dict[str, str], body: bytes) -> int:
        """Posts a message; returns the response's status.

        Raises:
            Undelivered: there was no response.
        """
        try:
            self.check(url)
            async with asyncio.timeout(self._seconds_max):
                address = await self._resolved(url)
                response = await exchange(
                    url,
                    progress=Progress(),
                    method="POST",
                    headers=headers,
                    body=body,
                    tls=self._tls,
                    limit_bytes=RESPONSE_BYTES_MAX,
                    address=address,
                )
        except UrlRefused as error:
            raise Undelivered(f"the URL {error}") from error
        except TimeoutError as error:
            raise Undelivered("no response in time") from error
        except NotHttp as error:
            raise Undelivered("the response is not HTTP") from error
        except TooLarge as error:
            raise Undelivered(f"the response is larger than {RESPONSE_BYTES_MAX} bytes") from error
        except ssl.SSLError as error:
            raise Undelivered("TLS failed: is the certificate valid?") from error
        except OSError as error:
            raise Undelivered("no connection") from error
        return response.status

    async def _resolved(self, url: str) -> str:
        """Returns the first address of the host, if all of them are allowed: one may be a trap.

        Raises:
            OSError: the host has no address.
            UrlRefused: an address is not allowed.
        """
        parts = urlsplit(url)
        found = await asyncio.get_running_loop().getaddrinfo(
            parts.hostname or "", None, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )
        addresses = [str(entry[4][0]) for entry in found]
        for text in addresses:
            address = parse_address(text)
            if address is None or not self._is_allowed(address):
                raise UrlRefused("must not lead into a private network")
        return addresses[0]

    def _is_allowed(self, address: Address) -> bool:
        if any(address.version == network.version and address in network for network in self._networks):
            return True
        # 6to4 and Teredo lead to an IPv4 address that may be private.
        if isinstance(address, IPv6Address) and (address.sixtofour or address.teredo):
            return False
        return address.is_global and not address.is_multicast
