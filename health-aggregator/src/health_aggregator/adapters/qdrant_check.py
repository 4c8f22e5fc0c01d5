"""Checks Qdrant by its own client: readiness, and the collections that must be there.

The client brings numpy and httpx: it is loaded when the first such target is, and not before.
"""

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
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _look_at_collections(self, started: float, timeout_seconds: float) -> CheckResult:
        from qdrant_client import AsyncQdrantClient  # noqa: PLC0415 heavy
        from qdrant_client.common.client_exceptions import QdrantException  # noqa: PLC0415
        from qdrant_client.http.exceptions import ApiException  # noqa: PLC0415

        if self._client is None:
            self._client = AsyncQdrantClient(
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
        except (ApiException, QdrantException, ValueError) as error:
            return findings.down(started, "does not answer as Qdrant does", type(error).__name__)
        if any("red" in state.lower() for state in states):
            return findings.down(started, "has a broken collection", ", ".join(states))
        if any("yellow" in state.lower() for state in states):
            return findings.degraded(started, "is optimising a collection", ", ".join(states))
        return findings.up(started)
