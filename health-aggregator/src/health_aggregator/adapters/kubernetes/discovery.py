"""Finds targets in a cluster: pods that ask, by annotation, to be watched.

`health.vestibule/watch: "true"` is enough: the pods of one `app.kubernetes.io/component` are one
target, judged by what Kubernetes says of them. More can be said:

    health.vestibule/name: search            another name than the component's
    health.vestibule/critical: "true"        the system is unhealthy without it
    health.vestibule/depends-on: postgres    names, by comma
    health.vestibule/grpc: search:50051      ask this address by grpc.health.v1 instead
    health.vestibule/http: http://search/ready   ask this URL instead
"""

from collections.abc import Iterable, Mapping

from health_aggregator.adapters.kubernetes.objects import WATCHED, Pod
from health_aggregator.domain.house import part_of_the_house
from health_aggregator.domain.target import Target

_PREFIX = "health.vestibule/"
_COMPONENT = "app.kubernetes.io/component"
_APP_LABELS = (_COMPONENT, "app.kubernetes.io/name", "app")


def discover(pods: Iterable[Pod]) -> list[Target]:
    """Returns one target for each component that has a watched pod, by name."""
    found: dict[str, Target] = {}
    for pod in sorted(pods, key=lambda pod: pod.name):
        if pod.terminating or pod.annotations.get(WATCHED) != "true":
            continue
        label = next((name for name in _APP_LABELS if name in pod.labels), None)
        name = pod.annotations.get(f"{_PREFIX}name") or (pod.labels[label] if label else pod.name)
        if name not in found and label is not None:
            found[name] = _target(name, f"{label}={pod.labels[label]}", pod.annotations)
    return list(found.values())


def _target(name: str, selector: str, annotations: Mapping[str, str]) -> Target:
    part = part_of_the_house(name)
    critical = annotations.get(f"{_PREFIX}critical")
    depends_on = annotations.get(f"{_PREFIX}depends-on")
    kind, options = "kubernetes", {"selector": selector}
    if address := annotations.get(f"{_PREFIX}grpc"):
        kind, options = "grpc", {"address": address}
    elif url := annotations.get(f"{_PREFIX}http"):
        kind, options = "http", {"url": url}
    return Target(
        name=name,
        kind=kind,
        critical=critical == "true" if critical is not None else part is not None and part.critical,
        depends_on=tuple(each.strip() for each in depends_on.split(",") if each.strip())
        if depends_on is not None
        else (part.depends_on if part is not None else ()),
        options=options,
    )
