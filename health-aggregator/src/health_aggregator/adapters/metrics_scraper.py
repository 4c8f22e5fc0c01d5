"""Scrapes the metrics of every process of the services."""

import asyncio
import ipaddress
import time
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlencode

from chassis.http.client import NotHttp, Progress, TooLarge, exchange

from health_aggregator.adapters.exposition import NAMES, read_exposition
from health_aggregator.domain.service_metrics import Reading

TIMEOUT_SECONDS = 2.0
LIMIT_BYTES = 4 * 1024 * 1024
PROCESSES_MAX = 32
"""Processes of one service; further ones are not scraped."""

_OK = 200
_ASKED = urlencode([("name[]", name) for name in NAMES])


class MetricsScraper:
    """`MetricsSource` by `/metrics` of every process.

    Args:
        addresses: Returns the `host:port`s of each service. A host may resolve to several processes, such
            as the name of a headless Service in Kubernetes.
    """

    def __init__(self, addresses: Callable[[], Mapping[str, Sequence[str]]]) -> None:
        self._addresses = addresses

    async def __call__(self) -> Mapping[str, Sequence[Reading]]:
        """Returns the readings of each service; processes that do not respond are left out."""
        services = self._addresses()
        readings = await asyncio.gather(*(self._service(addresses) for addresses in services.values()))
        return dict(zip(services, readings, strict=True))

    async def _service(self, addresses: Sequence[str]) -> list[Reading]:
        found = await asyncio.gather(*(_resolved(address) for address in addresses))
        places = sorted({place for each in found for place in each})[:PROCESSES_MAX]
        readings = await asyncio.gather(*(_scraped(place) for place in places))
        return [reading for reading in readings if reading is not None]


async def _resolved(address: str) -> list[str]:
    host, _, port = address.rpartition(":")
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        pass
    else:
        return [address]
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            found = await asyncio.get_running_loop().getaddrinfo(host, int(port))
    except (OSError, ValueError):
        return []
    hosts = {str(place[0]) for *_, place in found}
    return [f"[{each}]:{port}" if ":" in each else f"{each}:{port}" for each in hosts]


async def _scraped(address: str) -> Reading | None:
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            url = f"http://{address}/metrics?{_ASKED}"
            answer = await exchange(url, progress=Progress(), limit_bytes=LIMIT_BYTES)
    except (OSError, NotHttp, TooLarge):
        return None
    if answer.status != _OK:
        return None
    return read_exposition(bytes(answer.body), address=address, at=time.monotonic())
