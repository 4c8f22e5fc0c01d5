"""Kubernetes: pods and EndpointSlices by list and watch.

A small server has the API's HTTP interface: lists, chunked watches with bookmarks, 410 Gone for a
version that is too old, and connections that end.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from chassis.clock import SystemClock
from health_aggregator.adapters.kubernetes.api import KubernetesApi
from health_aggregator.adapters.kubernetes.cluster import Cluster
from health_aggregator.adapters.kubernetes.discovery import discover
from health_aggregator.adapters.kubernetes.kubernetes_check import KubernetesCheck
from health_aggregator.adapters.kubernetes.objects import matches, pod_of
from health_aggregator.domain.check import Outcome

from tests.chassis.waiting import until
from tests.health_aggregator import servers
from tests.health_aggregator.checking import check_once

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


def a_pod(
    name: str,
    component: str = "search",
    *,
    ready: bool = True,
    reason: str | None = None,
    restarted_at: datetime | None = None,
    annotations: dict[str, str] | None = None,
    terminating: bool = False,
) -> dict[str, Any]:
    """Returns a pod in the API's JSON."""
    state = {"waiting": {"reason": reason}} if reason else {"running": {"startedAt": "2026-11-23T00:00:00Z"}}
    last: dict[str, Any] = {}
    if restarted_at is not None:
        last = {"terminated": {"exitCode": 1, "finishedAt": f"{restarted_at:%Y-%m-%dT%H:%M:%SZ}"}}
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": "vestibule",
        "labels": {"app.kubernetes.io/component": component, "tier": "back"},
        "annotations": {"health.vestibule/watch": "true", **(annotations or {})},
        "resourceVersion": "1",
    }
    if terminating:
        metadata["deletionTimestamp"] = "2026-11-23T00:00:00Z"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": [{"name": "main", "image": "x"}]},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "containerStatuses": [
                {
                    "name": "main",
                    "ready": ready,
                    "restartCount": 3 if restarted_at else 0,
                    "state": state,
                    "lastState": last,
                    "image": "x",
                    "imageID": "x",
                }
            ],
        },
    }


class Api:
    """The part of the Kubernetes API that a follower uses."""

    def __init__(self, *pods: dict[str, Any]) -> None:
        self.pods = {pod["metadata"]["name"]: pod for pod in pods}
        self.version = 10
        self.lists = 0
        self.gone = False
        self._watchers: list[asyncio.Queue[dict[str, Any] | None]] = []

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Handles requests on one connection."""
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            url = urlsplit(head.split(" ", 2)[1])
            query = parse_qs(url.query)
            if query.get("watch") == ["True"] or query.get("watch") == ["true"]:
                await self._watch(writer, pods="/pods" in url.path)
                return
            self.lists += 1
            kind = "PodList" if "/pods" in url.path else "EndpointSliceList"
            body = json.dumps(
                {
                    "apiVersion": "v1" if "/pods" in url.path else "discovery.k8s.io/v1",
                    "kind": kind,
                    "metadata": {"resourceVersion": str(self.version)},
                    "items": list(self.pods.values()) if "/pods" in url.path else [self._slice()],
                }
            ).encode()
            header = (
                f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
            )
            writer.write(header.encode() + body)
            await writer.drain()

    def send(self, kind: str, thing: dict[str, Any]) -> None:
        """Sends an event to every watcher of pods."""
        self.version += 1
        thing["metadata"]["resourceVersion"] = str(self.version)
        name = thing["metadata"]["name"]
        if kind == "DELETED":
            self.pods.pop(name, None)
        else:
            self.pods[name] = thing
        for watcher in self._watchers:
            watcher.put_nowait({"type": kind, "object": thing})

    def cut(self) -> None:
        """Ends every watch."""
        for watcher in self._watchers:
            watcher.put_nowait(None)

    async def _watch(self, writer: asyncio.StreamWriter, *, pods: bool) -> None:
        writer.write(HEAD + b"transfer-encoding: chunked\r\n\r\n")
        if self.gone:
            self.gone = False
            status = {
                "kind": "Status",
                "code": 410,
                "reason": "Expired",
                "message": "too old resource version",
            }
            await _chunk(writer, {"type": "ERROR", "object": status})
            writer.write(b"0\r\n\r\n")
            return
        events: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        bookmark = {"kind": "Pod", "metadata": {"resourceVersion": str(self.version)}}
        await _chunk(writer, {"type": "BOOKMARK", "object": bookmark})
        if pods:
            self._watchers.append(events)
        while (event := await events.get()) is not None:
            await _chunk(writer, event)
        self._watchers.remove(events)
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    def _slice(self) -> dict[str, Any]:
        return {
            "addressType": "IPv4",
            "metadata": {
                "name": "search-abc",
                "labels": {"kubernetes.io/service-name": "search"},
                "resourceVersion": "1",
            },
            "endpoints": [
                {"addresses": ["10.0.0.1"], "conditions": {"ready": ready}} for ready in (True, False)
            ],
        }


async def _chunk(writer: asyncio.StreamWriter, event: dict[str, Any]) -> None:
    line = json.dumps(event).encode() + b"\n"
    writer.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
    await writer.drain()


@pytest.fixture(name="api")
def _api() -> Api:
    return Api(a_pod("search-1"), a_pod("search-2", ready=False, reason="CrashLoopBackOff"))


@pytest.fixture(name="cluster")
async def _cluster(api: Api) -> AsyncIterator[Cluster]:
    async with servers.serving(api.talk) as port:
        cluster = Cluster(lambda: None, KubernetesApi(f"http://127.0.0.1:{port}"), "vestibule")
        following = asyncio.ensure_future(cluster.run())
        await until(lambda: cluster.age_seconds is not None, seconds=40)
        yield cluster
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


def check_of(cluster: Cluster, **options: Any) -> KubernetesCheck:
    """Returns a check of the search pods."""
    return KubernetesCheck(
        cluster,
        "app.kubernetes.io/component=search",
        wake=options.pop("wake", lambda: None),
        clock=SystemClock(),
        **options,
    )


async def test_follows_pods_by_watch(api: Api, cluster: Cluster) -> None:
    """Ready and wanted pods, reasons, a wake per change; after an expired version it lists again."""
    wakes: list[None] = []
    check = check_of(cluster, wake=lambda: wakes.append(None))
    first = await check_once(check)
    await until(lambda: len(api._watchers) == 1)
    api.send("MODIFIED", a_pod("search-2"))
    await until(lambda: len(wakes) == 1)
    second = await check_once(check)
    api.send("MODIFIED", a_pod("search-1", ready=False, reason="SecretReason"))
    api.send("DELETED", a_pod("search-2"))
    await until(lambda: len(wakes) == 3)
    third = await check_once(check)
    lists = api.lists
    api.gone = True
    api.cut()
    await until(lambda: api.lists > lists)
    await until(lambda: len(api._watchers) == 1)
    api.send("ADDED", a_pod("search-3"))
    await until(lambda: "search-3" in cluster.pods)

    assert (first.outcome, first.error) == (Outcome.DEGRADED, "1 of 2 pods are ready (CrashLoopBackOff)")
    assert Outcome.UP is second.outcome
    assert (third.outcome, third.error) == (Outcome.DOWN, "0 of 1 pods are ready")
    assert third.detail == "search-1: SecretReason"


async def test_wanted_pods_endpoints_and_restarts(api: Api, cluster: Cluster) -> None:
    """Missing pods, a Service without an endpoint, and a recent restart."""
    too_few = await check_once(check_of(cluster, wanted=3))
    no_endpoint = await check_once(check_of(cluster, wanted=1, service="unknown"))
    endpoint = await check_once(check_of(cluster, wanted=1, service="search"))
    await until(lambda: len(api._watchers) == 1)
    api.send("MODIFIED", a_pod("search-2", restarted_at=datetime.now(UTC)))
    await until(lambda: cluster.pods["search-2"].ready)
    restarted = await check_once(check_of(cluster))

    assert too_few.error == "1 of 3 pods are ready (CrashLoopBackOff)"
    assert no_endpoint.error == "no endpoint of its Service is ready"
    assert Outcome.UP is endpoint.outcome
    assert (
        restarted.outcome,
        restarted.error,
    ) == (Outcome.DEGRADED, "restarted in the last 10 minutes (3 restarts in all)")


def test_finds_targets_by_annotation() -> None:
    """One target per component; a built-in one keeps its known properties."""
    pods = [
        pod_of(a_pod("search-1", annotations={"health.vestibule/depends-on": "postgres, redis"})),
        pod_of(a_pod("search-2")),
        pod_of(a_pod("auth-1", "auth-service")),
        pod_of(a_pod("mail-1", "mail", annotations={"health.vestibule/grpc": "mail:1"})),
        pod_of(a_pod("old-1", "old", terminating=True)),
        pod_of(a_pod("quiet-1", "quiet", annotations={"health.vestibule/watch": "false"})),
    ]
    found = {target.name: target for target in discover(pods)}

    assert {"search", "auth-service", "mail"} == set(found)
    assert (
        found["search"].kind,
        found["search"].depends_on,
        found["search"].critical,
    ) == ("kubernetes", ("postgres", "redis"), False)
    assert (found["auth-service"].critical, found["auth-service"].depends_on) == (True, ("postgres", "redis"))
    assert (found["mail"].kind, found["mail"].options) == ("grpc", {"address": "mail:1"})


@pytest.mark.parametrize(
    ("selector", "fits"),
    [("tier=back", True), ("tier==back,app=x", True), ("tier!=back", False), ("tier", True), ("zone", False)],
)
def test_selectors(selector: str, fits: bool) -> None:
    """Equality, inequality and presence."""
    assert fits is matches(selector, {"tier": "back", "app": "x"})
