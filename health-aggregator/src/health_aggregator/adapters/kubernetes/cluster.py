"""Follows the pods and EndpointSlices of a namespace: a list, then a watch."""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Any, Generic, TypeVar

import structlog
from chassis.backoff import Backoff
from chassis.dataclass import dataclass

from health_aggregator.adapters.kubernetes.api import ApiError, KubernetesApi
from health_aggregator.adapters.kubernetes.objects import EndpointSlice, Pod, endpoint_slice_of, pod_of

log = structlog.get_logger()

Thing = TypeVar("Thing", Pod, EndpointSlice)

_WATCH_SECONDS = 60
_LIST_SECONDS = 10
_RETRY_SECONDS = 1.0
_RETRY_SECONDS_MAX = 15.0
_GONE = 410
_KINDS = 2


class Cluster:
    """The current pods and EndpointSlices of a namespace.

    Args:
        changed: Called after every change.
        api: The Kubernetes API.
        namespace: The namespace; the pod's own by default.
    """

    def __init__(self, changed: Callable[[], None], api: KubernetesApi, namespace: str | None = None) -> None:
        self._changed = changed
        self._namespace = namespace
        self._api = api
        self._received: dict[str, float] = {}
        self._listeners: list[Callable[[], None]] = []
        self.pods: dict[str, Pod] = {}
        self.endpoint_slices: dict[str, EndpointSlice] = {}

    @property
    def age_seconds(self) -> float | None:
        """Age of the last data from the API, of the older list; None before both lists have arrived."""
        if len(self._received) < _KINDS:
            return None
        return time.monotonic() - min(self._received.values())

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Calls the listener after every change; returns a function that ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def run(self) -> None:
        """Follows, until cancelled."""
        namespace = self._namespace or await self._api.namespace()
        pods = f"/api/v1/namespaces/{namespace}/pods"
        slices = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
        async with asyncio.TaskGroup() as tasks:
            for follow in (
                _Follower(self._api, pods, self.pods, pod_of, self._received_update),
                _Follower(self._api, slices, self.endpoint_slices, endpoint_slice_of, self._received_update),
            ):
                tasks.create_task(follow())

    def _received_update(self, what: str, *, changed: bool) -> None:
        self._received[what] = time.monotonic()
        if changed:
            self._changed()
            for listener in tuple(self._listeners):
                listener()


@dataclass(frozen=True, slots=True)
class _Follower(Generic[Thing]):
    api: KubernetesApi
    path: str
    things: dict[str, Thing]
    thing_of: Callable[[Mapping[str, Any]], Thing]
    received: Any

    async def __call__(self) -> None:
        backoff = Backoff(first_seconds=_RETRY_SECONDS, limit_seconds=_RETRY_SECONDS_MAX)
        what = self.path.rpartition("/")[2]
        while True:
            began_at = time.monotonic()
            try:
                version = await self._list()
                while True:
                    version = await self._watch(version)
            except Exception as error:  # noqa: BLE001 retried whatever the API does
                if time.monotonic() - began_at > _RETRY_SECONDS_MAX:
                    backoff.reset()
                status = error.status if isinstance(error, ApiError) else None
                if status != _GONE:
                    reason = str(error) or type(error).__name__
                    log.warning("kubernetes watch failed; retrying", what=what, status=status, error=reason)
                # Also when the version is too old, since an API that is broken says so each time.
                await backoff.pause()

    async def _list(self) -> str:
        listed = await self.api.get(self.path, within_seconds=_LIST_SECONDS)
        self.things.clear()
        for item in listed.get("items") or ():
            thing = self.thing_of(item)
            self.things[thing.name] = thing
        self.received(self.path, changed=True)
        return str(listed["metadata"]["resourceVersion"])

    async def _watch(self, version: str) -> str:
        parameters = {
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(_WATCH_SECONDS),
        }
        events = self.api.watch(self.path, parameters, silent_seconds=_WATCH_SECONDS + _LIST_SECONDS)
        # An event that cannot be read ends the watch, and its connection is closed with it.
        async with aclosing(events):
            async for event in events:
                raw = event["object"]
                version = str(raw["metadata"]["resourceVersion"])
                if event["type"] == "DELETED":
                    self.things.pop(self.thing_of(raw).name, None)
                elif event["type"] != "BOOKMARK":
                    thing = self.thing_of(raw)
                    self.things[thing.name] = thing
                self.received(self.path, changed=event["type"] != "BOOKMARK")
        self.received(self.path, changed=False)
        return version
