"""Finds targets in a cluster: pods with an annotation.

With `health.vestibule/watch: "true"` the pods of one `app.kubernetes.io/component` are one target,
checked by their state in Kubernetes. Further annotations:

    health.vestibule/name: search            another name than the component's
    health.vestibule/critical: "true"        the system is unhealthy without it
    health.vestibule/depends-on: postgres    names, separated by commas
    health.vestibule/grpc: search:50051      check this address by grpc.health.v1 instead
    health.vestibule/http: http://search/ready   check this URL instead
"""

from collections.abc import Iterable, Mapping

from chassis.text import split_at_commas

from health_aggregator.adapters.kubernetes.objects import WATCHED, Pod
from health_aggregator.domain.built_in_targets import BUILT_IN
from health_aggregator.domain.target import Target, cadence_of_components

_PREFIX = "health.vestibule/"
_COMPONENT = "app.kubernetes.io/component"
_APP_LABELS = (_COMPONENT, "app.kubernetes.io/name", "app")


def discover(pods: Iterable[Pod]) -> list[Target]:
    """Returns one target for each component with an annotated pod."""
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
    known = BUILT_IN.get(name)
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
        critical=critical == "true" if critical is not None else known is not None and known.critical,
        depends_on=split_at_commas(depends_on)
        if depends_on is not None
        else (known.depends_on if known is not None else ()),
        cadence=cadence_of_components(kind),
        options=options,
    )
