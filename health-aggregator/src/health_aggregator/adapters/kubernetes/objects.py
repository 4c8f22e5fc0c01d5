"""Pods and EndpointSlices, reduced to what checks need, from the API's JSON."""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from typing import Any

from chassis.dataclass import dataclass

WATCHED = "health.vestibule/watch"
_SERVICE_LABEL = "kubernetes.io/service-name"


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod.

    Attributes:
        name: Its name.
        labels: Its labels.
        annotations: Its annotations.
        ready: Whether Kubernetes sends it traffic.
        terminating: Whether it is being deleted.
        restarts: Restarts of its containers.
        restarted_at: When one of them last ended.
        reason: Why it is not ready, such as `CrashLoopBackOff`.
    """

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    ready: bool = False
    terminating: bool = False
    restarts: int = 0
    restarted_at: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class EndpointSlice:
    """One slice of a Service's endpoints.

    Attributes:
        name: Its name.
        service: The Service that it belongs to.
        ready: Number of its endpoints that take traffic.
        total: Number of its endpoints.
    """

    name: str
    service: str
    ready: int
    total: int


def pod_of(raw: Mapping[str, Any]) -> Pod:
    """Reads a pod from JSON; what is missing counts as not ready."""
    metadata, status = raw.get("metadata") or {}, raw.get("status") or {}
    containers = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    conditions = {each.get("type"): each.get("status") for each in status.get("conditions") or ()}
    ended = [at for each in containers if (at := _last_end(each)) is not None]
    return Pod(
        name=str(metadata.get("name", "")),
        labels=metadata.get("labels") or {},
        annotations=metadata.get("annotations") or {},
        ready=conditions.get("Ready") == "True",
        terminating=metadata.get("deletionTimestamp") is not None,
        restarts=sum(int(each.get("restartCount") or 0) for each in containers),
        restarted_at=max(ended, default=None),
        reason=_reason(status, containers),
    )


def endpoint_slice_of(raw: Mapping[str, Any]) -> EndpointSlice:
    """Reads an EndpointSlice from JSON; as in the API, an endpoint without the condition counts as ready."""
    metadata = raw.get("metadata") or {}
    endpoints = raw.get("endpoints") or ()
    ready = sum((each.get("conditions") or {}).get("ready") is not False for each in endpoints)
    service = (metadata.get("labels") or {}).get(_SERVICE_LABEL, "")
    return EndpointSlice(str(metadata.get("name", "")), service, ready, len(endpoints))


def matches(selector: str, labels: Mapping[str, str]) -> bool:
    """Returns whether labels fit an equality selector such as `app=search,tier!=test`."""
    for clause in selector.split(","):
        name, operator, value = clause.partition("!=") if "!=" in clause else clause.partition("=")
        found = labels.get(name.strip())
        wanted = value.lstrip("=").strip()
        if operator == "!=" and found == wanted:
            return False
        if operator == "=" and found != wanted:
            return False
        if not operator and found is None:
            return False
    return True


def _reason(status: Mapping[str, Any], containers: list[Mapping[str, Any]]) -> str | None:
    for each in containers:
        waiting = (each.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") not in {None, "ContainerCreating", "PodInitializing"}:
            return str(waiting["reason"])
    for each in containers:
        ended = (each.get("state") or {}).get("terminated") or {}
        if ended.get("reason") not in {None, "Completed"}:
            return str(ended["reason"])
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return str(condition.get("reason") or "Unschedulable")
    return str(status["reason"]) if status.get("reason") else None


def _last_end(container: Mapping[str, Any]) -> datetime | None:
    ended = ((container.get("lastState") or {}).get("terminated") or {}).get("finishedAt")
    if not isinstance(ended, str):
        return ended if isinstance(ended, datetime) else None
    try:
        return datetime.fromisoformat(ended)
    except ValueError:
        return None
