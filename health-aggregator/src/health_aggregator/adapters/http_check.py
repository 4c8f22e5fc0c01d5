"""Checks an HTTP endpoint: `http` targets, and what others build on it."""

import ssl
import time
from collections.abc import Callable
from urllib.parse import urljoin, urlsplit

from chassis.http.client import Answer, NotHttp, Progress, TooLarge, exchange

from health_aggregator.adapters import findings
from health_aggregator.domain.state import CheckResult, timed_out

REDIRECTS = 3
_CLIENT_ERROR = 400


class HttpCheck:
    """Asks for a URL; any status below 400 is up.

    Args:
        url: What to ask for.
        judge: Reads the answer more closely; None looks at the status alone.
        tls: How to verify the server.
    """

    def __init__(
        self,
        url: str,
        judge: Callable[[Answer, float], CheckResult] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._url = url
        self._judge = judge or judge_status
        self._tls = tls

    async def __call__(self, timeout_seconds: float) -> CheckResult:
        """Looks once, following a few redirects within the same host."""
        started = time.monotonic()
        progress = Progress()
        try:
            return await self._follow(started, progress)
        except OSError as error:
            return findings.unconnected(started, error, self._url)
        except TooLarge:
            return findings.down(started, "answers more than 64 KiB", self._url)
        except NotHttp as error:
            return findings.down(started, "does not answer in HTTP", f"{self._url}: {error}")
        except BaseException:
            if progress.connected and time.monotonic() - started >= timeout_seconds * 0.9:
                # It took the connection and then said nothing: that is an answer of sorts.
                return findings.down(started, timed_out(timeout_seconds), self._url)
            raise

    async def close(self) -> None:
        """Has nothing to give back: no connection outlives a check."""

    async def _follow(self, started: float, progress: Progress) -> CheckResult:
        url = self._url
        for _ in range(REDIRECTS + 1):
            answer = await exchange(url, progress=progress, tls=self._tls)
            if answer.status not in {301, 302, 303, 307, 308}:
                return self._judge(answer, started)
            target = urljoin(url, answer.headers.get("location", ""))
            if urlsplit(target).hostname != urlsplit(url).hostname:
                return findings.down(started, "redirects to another host", f"{url} -> {target}")
            url = target
        return findings.down(started, f"redirects more than {REDIRECTS} times", self._url)


def judge_status(answer: Answer, started: float) -> CheckResult:
    """Judges by the status code alone."""
    if answer.status >= _CLIENT_ERROR:
        return findings.down(started, f"answers with status {answer.status}")
    return findings.up(started)
