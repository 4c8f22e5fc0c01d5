"""Checks an HTTP endpoint: `http` targets, and the base of other kinds."""

import asyncio
import math
import ssl
import time
from collections.abc import Callable
from urllib.parse import urljoin, urlsplit

from chassis.http.client import KeptConnection, NotHttp, Progress, Response, TooLarge, exchange

from health_aggregator.adapters import findings
from health_aggregator.domain.check import CheckResult, timed_out

REDIRECTS = 3
_OWN_SHARE = 0.95
_CLIENT_ERROR = 400
_ENDS_SECONDS = 2.0
"""An end within this time of another one is not reported: a proxy may end each connection at once."""


class HttpCheck:
    """Requests a URL; any status below 400 is up.

    Args:
        url: The URL.
        evaluate: Evaluates the response; by default its status alone.
        tls: How to verify the server.
        wake: Called when the server ends the connection of the last check, which is kept until the next one;
            None keeps none.
    """

    def __init__(
        self,
        url: str,
        evaluate: Callable[[Response, float], CheckResult] | None = None,
        tls: ssl.SSLContext | None = None,
        wake: Callable[[], None] | None = None,
    ) -> None:
        self._url = url
        self._wake = wake
        self._kept = None if wake is None else KeptConnection(self._ended)
        self._ended_at = -math.inf
        self._evaluate = evaluate or evaluate_status
        self._tls = tls

    async def __call__(self, timeout_seconds: float) -> CheckResult:
        """Checks once, following a few redirects within the same host."""
        started = time.monotonic()
        progress = Progress()
        # Ends before the caller's own timeout, which is a cancellation here, as a stop is.
        limit = asyncio.timeout(timeout_seconds * _OWN_SHARE)
        try:
            async with limit:
                return await self._follow(started, progress)
        except OSError as error:
            if limit.expired():
                if not progress.connected:
                    raise
                # The target accepted the connection, so it is not silent.
                return findings.down(started, timed_out(timeout_seconds), self._url)
            return findings.unconnected(started, error, self._url)
        except TooLarge:
            return findings.down(started, "answers more than 64 KiB", self._url)
        except NotHttp as error:
            return findings.down(started, "does not answer in HTTP", f"{self._url}: {error}")

    async def close(self) -> None:
        """Closes the connection of the last check, if it was kept."""
        if self._kept is not None:
            self._kept.close()

    def _ended(self) -> None:
        now = time.monotonic()
        if self._wake is not None and now - self._ended_at >= _ENDS_SECONDS:
            self._ended_at = now
            self._wake()

    async def _follow(self, started: float, progress: Progress) -> CheckResult:
        url = self._url
        for _ in range(REDIRECTS + 1):
            answer = await exchange(url, progress=progress, tls=self._tls, kept=self._kept)
            if answer.status not in {301, 302, 303, 307, 308}:
                return self._evaluate(answer, started)
            target = urljoin(url, answer.headers.get("location", ""))
            if urlsplit(target).hostname != urlsplit(url).hostname:
                return findings.down(started, "redirects to another host", f"{url} -> {target}")
            url = target
        return findings.down(started, f"redirects more than {REDIRECTS} times", self._url)


def evaluate_status(answer: Response, started: float) -> CheckResult:
    """Evaluates the status code alone."""
    if answer.status >= _CLIENT_ERROR:
        return findings.down(started, f"answers with status {answer.status}")
    return findings.up(started)
