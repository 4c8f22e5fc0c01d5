"""Functions that read rendered objects."""

from collections.abc import Iterator
from typing import Any

Manifest = dict[str, Any]


def of_kind(manifests: list[Manifest], *kinds: str) -> list[Manifest]:
    """Returns the objects of some kinds."""
    return [manifest for manifest in manifests if manifest["kind"] in kinds]


def hook(manifest: Manifest) -> str:
    """Returns when Helm makes an object that is a hook; nothing for any other."""
    return str(manifest["metadata"].get("annotations", {}).get("helm.sh/hook", ""))


def name(manifest: Manifest) -> str:
    """Returns an object's name."""
    return str(manifest["metadata"]["name"])


def component(manifest: Manifest) -> str:
    """Returns the component that an object belongs to."""
    return str(manifest["metadata"]["labels"]["app.kubernetes.io/component"])


def pods(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest, Manifest]]:
    """Yields name, metadata and spec of every pod, whatever object it comes from."""
    for manifest in manifests:
        if manifest["kind"] == "Pod":
            yield name(manifest), manifest["metadata"], manifest["spec"]
        elif manifest["kind"] in ("Deployment", "Job", "StatefulSet", "DaemonSet"):
            template = manifest["spec"]["template"]
            yield f"{manifest['kind']}/{name(manifest)}", template["metadata"], template["spec"]
        elif manifest["kind"] == "CronJob":
            template = manifest["spec"]["jobTemplate"]["spec"]["template"]
            yield f"{manifest['kind']}/{name(manifest)}", template["metadata"], template["spec"]


def selects(selector: dict[str, str], labels: dict[str, str]) -> bool:
    """Says whether a label selector matches."""
    return selector.items() <= labels.items()


def containers(spec: Manifest) -> list[Manifest]:
    """Returns every container of a pod."""
    return [*spec.get("initContainers", []), *spec["containers"]]


def environment(manifests: list[Manifest], spec: Manifest) -> dict[str, str | None]:
    """Returns the variables of a pod's containers; None for values from secrets."""
    config_maps = {name(manifest): manifest.get("data", {}) for manifest in of_kind(manifests, "ConfigMap")}
    seen: dict[str, str | None] = {}
    for container in containers(spec):
        for source in container.get("envFrom", []):
            seen.update(config_maps[source["configMapRef"]["name"]])
        for variable in container.get("env", []):
            seen[variable["name"]] = variable.get("value")
    return seen
