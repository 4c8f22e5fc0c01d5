"""Checks Qdrant by its own client: readiness, and the collections that must be there.

The client brings numpy and httpx: it is loaded when the first such target is, and not before.
"""

import asyncio
import importlib
import sys
import time
from collections.abc import Sequence
from typing import Any

from health_aggregator.adapters import findings
from health_aggregator.adapters.http_exchange import NotHttp, Progress, TooLarge, exchange
from health_aggregator.domain.state import CheckResult

_OK = 200


class QdrantCheck:
    """Asks `/readyz`, then for the state of each collection.

    Args:
        url: Where Qdrant's HTTP API is.
        api_key: Sent with every request.
        collections: Names of collections that must be there; none only asks for readiness.
    """

    def __init__(self, url: str, api_key: str | None = None, collections: Sequence[str] = ()) -> None:
        self._url = url.rstrip("/")
        self._api_key = api_key
        self._collections = tuple(collections)
        self._client: Any = None
        self._loading: asyncio.Future[Any] | None = None

    async def __call__(self, timeout_seconds: float) -> CheckResult:
        """Looks once."""
        started = time.monotonic()
        headers = {"api-key": self._api_key} if self._api_key else {}
        try:
            ready = await exchange(f"{self._url}/readyz", progress=Progress(), headers=headers)
        except OSError as error:
            return findings.unconnected(started, error, self._url)
        except TooLarge:
            return findings.down(started, "answers more than 64 KiB", self._url)
        except NotHttp as error:
            return findings.down(started, "does not answer in HTTP", f"{self._url}: {error}")
        if ready.status != _OK:
            return findings.down(started, "says it is not ready", f"{self._url}: {ready.status}")
        return await self._look_at_collections(started, timeout_seconds)

    async def close(self) -> None:
        """Closes the client."""
        if self._loading is not None:
            self._loading.cancel()
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def load(self) -> None:
        """Loads the client, in a thread: it takes seconds, for which nothing else may wait."""
        if self._loading is None:
            loading = asyncio.to_thread(importlib.import_module, "qdrant_client")
            self._loading = asyncio.ensure_future(loading)
        await self._loading

    async def _look_at_collections(self, started: float, timeout_seconds: float) -> CheckResult:
        if "qdrant_client" not in sys.modules and self._loading is None:
            self._loading = asyncio.ensure_future(asyncio.to_thread(importlib.import_module, "qdrant_client"))
        if self._loading is not None and not self._loading.done():
            # Ready is what is known so far; the collections are looked at as soon as they can be.
            return findings.up(started)
        client_module = importlib.import_module("qdrant_client")
        api_errors = importlib.import_module("qdrant_client.http.exceptions")
        client_errors = importlib.import_module("qdrant_client.common.client_exceptions")
        if self._client is None:
            self._client = client_module.AsyncQdrantClient(
                url=self._url,
                api_key=self._api_key,
                timeout=max(1, round(timeout_seconds)),
                check_compatibility=False,
            )
        try:
            present = {each.name for each in (await self._client.get_collections()).collections}
            missing = [name for name in self._collections if name not in present]
            if missing:
                return findings.down(started, f"lacks {len(missing)} of its collections", ", ".join(missing))
            states = [str((await self._client.get_collection(name)).status) for name in self._collections]
        except (api_errors.ApiException, client_errors.QdrantException, ValueError) as error:
            return findings.down(started, "does not answer as Qdrant does", type(error).__name__)
        return _judge(states, started)


def _judge(states: Sequence[str], started: float) -> CheckResult:
    detail = ", ".join(states)
    if any("red" in state.lower() for state in states):
        return findings.down(started, "has a broken collection", detail)
    if any("yellow" in state.lower() for state in states):
        return findings.degraded(started, "is optimising a collection", detail)
    return findings.up(started)
