"""Follows the pods and EndpointSlices of a namespace: a list, then a watch, for ever.

The client of Kubernetes takes 45 MB and a second to load: it is loaded in a thread, and only when
somebody asks for a cluster.
"""

import asyncio
import importlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import structlog

from health_aggregator.adapters.kubernetes.objects import EndpointSlice, Pod, endpoint_slice_of, pod_of

log = structlog.get_logger()

Thing = TypeVar("Thing", Pod, EndpointSlice)

_WATCH_SECONDS = 60
_LIST_SECONDS = 10
_RETRY_SECONDS = 1.0
_RETRY_SECONDS_MAX = 15.0
_GONE = 410
_KINDS = 2
_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class Cluster:
    """A namespace as it is now.

    Args:
        changed: Called after every change.
        namespace: Which one; the pod's own by default.
        api_url: Where the API is, without credentials; the pod's service account by default.
    """

    def __init__(
        self, changed: Callable[[], None], namespace: str | None = None, api_url: str | None = None
    ) -> None:
        self._changed = changed
        self._namespace = namespace
        self._api_url = api_url
        self._heard: dict[str, float] = {}
        self._listeners: list[Callable[[], None]] = []
        self.pods: dict[str, Pod] = {}
        self.endpoint_slices: dict[str, EndpointSlice] = {}

    @property
    def age_seconds(self) -> float | None:
        """How long ago the API was last heard, at worst; None before both lists came."""
        if len(self._heard) < _KINDS:
            return None
        return time.monotonic() - min(self._heard.values())

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Calls back after every change; returns what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def run(self) -> None:
        """Follows, until cancelled."""
        client = await asyncio.to_thread(importlib.import_module, "kubernetes.aio.client")
        watch = await asyncio.to_thread(importlib.import_module, "kubernetes.aio.watch")
        namespace = self._namespace or (await asyncio.to_thread(_NAMESPACE_FILE.read_text)).strip()
        async with client.ApiClient(await self._configuration(client)) as api:
            pods = client.CoreV1Api(api).list_namespaced_pod
            slices = client.DiscoveryV1Api(api).list_namespaced_endpoint_slice
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_Follower(api, watch, pods, namespace, self.pods, pod_of, self._tell)())
                tasks.create_task(
                    _Follower(
                        api, watch, slices, namespace, self.endpoint_slices, endpoint_slice_of, self._tell
                    )()
                )

    async def _configuration(self, client: Any) -> Any:
        configuration = client.Configuration()
        if self._api_url is not None:
            configuration.host = self._api_url
        else:
            config = await asyncio.to_thread(importlib.import_module, "kubernetes.aio.config")
            config.load_incluster_config(client_configuration=configuration)
        return configuration

    def _tell(self, what: str, *, changed: bool) -> None:
        self._heard[what] = time.monotonic()
        if changed:
            self._changed()
            for listener in tuple(self._listeners):
                listener()


@dataclass(frozen=True, slots=True)
class _Follower(Generic[Thing]):
    api: Any
    watch: Any
    list_things: Any
    namespace: str
    things: dict[str, Thing]
    thing_of: Callable[[Mapping[str, Any]], Thing]
    tell: Any

    async def __call__(self) -> None:
        retry_seconds = _RETRY_SECONDS
        while True:
            try:
                version = await self._list()
                retry_seconds = _RETRY_SECONDS
                while True:
                    version = await self._watch(version)
            except Exception as error:  # noqa: BLE001 whatever the API does, it is asked again
                if getattr(error, "status", None) == _GONE:
                    continue
                what = self.list_things.__name__
                log.warning("kubernetes not followed", what=what, error=type(error).__name__)
                await asyncio.sleep(retry_seconds)
                retry_seconds = min(retry_seconds * 2, _RETRY_SECONDS_MAX)

    async def _list(self) -> str:
        listed = await self.list_things(self.namespace, _request_timeout=_LIST_SECONDS)
        raw = self.api.sanitize_for_serialization(listed)
        self.things.clear()
        for item in raw.get("items") or ():
            thing = self.thing_of(item)
            self.things[thing.name] = thing
        self.tell(self.list_things.__name__, changed=True)
        return str(raw["metadata"]["resourceVersion"])

    async def _watch(self, version: str) -> str:
        stream = self.watch.Watch().stream(
            self.list_things,
            self.namespace,
            resource_version=version,
            allow_watch_bookmarks=True,
            timeout_seconds=_WATCH_SECONDS,
            _request_timeout=_WATCH_SECONDS + _LIST_SECONDS,
        )
        async for event in stream:
            raw = event["raw_object"]
            version = str(raw["metadata"]["resourceVersion"])
            if event["type"] == "DELETED":
                self.things.pop(self.thing_of(raw).name, None)
            elif event["type"] != "BOOKMARK":
                thing = self.thing_of(raw)
                self.things[thing.name] = thing
            self.tell(self.list_things.__name__, changed=event["type"] != "BOOKMARK")
        self.tell(self.list_things.__name__, changed=False)
        return version
