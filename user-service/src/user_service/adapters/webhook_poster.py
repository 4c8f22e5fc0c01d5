"""Posts messages to endpoints on the Internet, and to none within our own networks.

An admin names the URL, but the request comes from inside, so its destination is checked
(`chassis.http.destinations`). Redirects are not followed.
"""

import asyncio
import ssl

from chassis.http import destinations
from chassis.http.client import NotHttp, Progress, TooLarge, exchange
from chassis.http.destinations import Destinations

from user_service.domain import undelivered
from user_service.domain.undelivered import Undelivered
from user_service.domain.webhook import UrlRefused

SECONDS_MAX = 15.0
RESPONSE_BYTES_MAX = 65_536


class HttpWebhookPoster:
    """`WebhookPoster` by HTTP."""

    def __init__(
        self,
        destinations: Destinations,
        *,
        tls: ssl.SSLContext | None = None,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Takes where messages may be posted.

        Args:
            destinations: Where they may be posted.
            tls: How servers are verified; the system's authorities by default.
            seconds_max: How long an attempt may take.
        """
        self._destinations = destinations
        self._tls = tls
        self._seconds_max = seconds_max

    def check(self, url: str) -> None:
        """Checks what can be known of a URL without resolving its host.

        Raises:
            UrlRefused: nothing would be posted to it.
        """
        try:
            self._destinations.check(url)
        except destinations.UrlRefused as error:
            raise UrlRefused(str(error)) from error

    async def __call__(self, url: str, headers: dict[str, str], body: bytes) -> int:
        """Posts a message; returns the response's status.

        Raises:
            Undelivered: there was no response.
        """
        try:
            async with asyncio.timeout(self._seconds_max):
                address = await self._destinations.resolve(url)
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
        except destinations.UrlRefused as error:
            raise Undelivered(undelivered.URL_REFUSED.format(fault=error)) from error
        except TimeoutError as error:
            raise Undelivered(undelivered.NO_RESPONSE) from error
        except NotHttp as error:
            raise Undelivered(undelivered.NOT_HTTP) from error
        except TooLarge as error:
            raise Undelivered(undelivered.TOO_LARGE.format(n=RESPONSE_BYTES_MAX)) from error
        except ssl.SSLError as error:
            raise Undelivered(undelivered.TLS_FAILED) from error
        except OSError as error:
            raise Undelivered(undelivered.NO_CONNECTION) from error
        return response.status
