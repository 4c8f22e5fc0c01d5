"""Shares of the cores as pods have them: a cgroup for each program, weighted by its pod's CPU request.

Without cgroups the kernel divides the cores among threads. In a cluster it divides them among pods, by their
requests in the chart and in `k8s/backends`: a pod of small requests waits while others are busy, which
processes that are all alike never show.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path

import yaml

from bench.load import ROOT
from bench.processes import family

Division = Callable[[Mapping[str, int]], AbstractContextManager[bool]]
"""Divides the cores among processes, by the name of their health component, during a block; yields whether it
could."""

_VALUES = ROOT / "helm/vestibule/values.yaml"
_BACKENDS = {"postgres": ROOT / "k8s/backends/postgres.yaml", "redis": ROOT / "k8s/backends/valkey.yaml"}
_SHARES_PER_CORE = 1024
_SHARES_MIN, _SHARES_MAX = 2, 262_144
_WEIGHT_MIN, _WEIGHT_MAX = 1, 10_000


@cache
def requested_cores() -> Mapping[str, float]:
    """Returns how many cores each pod requests, by the name of its health component."""
    values = yaml.safe_load(_VALUES.read_text())
    default = values["defaults"]["resources"]["requests"]["cpu"]
    requested = {
        name: service.get("resources", {}).get("requests", {}).get("cpu", default)
        for name, service in values["services"].items()
    }
    for name, manifest in _BACKENDS.items():
        deployment = next(
            each for each in yaml.safe_load_all(manifest.read_text()) if each["kind"] == "Deployment"
        )
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        requested[name] = container["resources"]["requests"]["cpu"]
    return {name: _cores(str(quantity)) for name, quantity in requested.items()}


@contextmanager
def shared_as_pods(processes: Mapping[str, int]) -> Iterator[bool]:
    """Gives each process, and those that it starts, the share of its pod during the block.

    Args:
        processes: Process ids by the name of their health component. Other processes, such as clients, keep
            the share that they have.

    Yields:
        Whether it did: where no cgroup may be made, every process keeps its share.
    """
    hierarchy = _hierarchy()
    if hierarchy is None:
        yield False
        return
    with ExitStack() as groups:
        for name, root in processes.items():
            path = hierarchy / f"vestibule-bench-{os.getpid()}-{name}"
            group = groups.enter_context(_group(path, requested_cores()[name]))
            for pid in family(root):
                _move(pid, group)
        yield True


@contextmanager
def _alike(processes: Mapping[str, int]) -> Iterator[bool]:
    """Leaves every process its share."""
    del processes
    yield True


DIVISIONS: Mapping[str, Division] = {"threads": _alike, "pods": shared_as_pods}
"""By what the cores are divided among."""


def _hierarchy() -> Path | None:
    """Returns the root of the cgroups that divide the cores, if groups may be made there."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, mounted, kind, options, *_ = line.split()
        root = Path(mounted)
        if kind == "cgroup":
            found = "cpu" in options.split(",")
        else:
            found = kind == "cgroup2" and "cpu" in (root / "cgroup.subtree_control").read_text().split()
        if found:
            return root if os.access(root, os.W_OK) else None
    return None


@contextmanager
def _group(path: Path, cores: float) -> Iterator[Path]:
    """Has a cgroup of its own during the block."""
    path.mkdir()
    try:
        shares = min(max(_SHARES_MIN, round(cores * _SHARES_PER_CORE)), _SHARES_MAX)
        if (path / "cpu.shares").exists():
            (path / "cpu.shares").write_text(str(shares))
        else:
            # As kubelets convert them: KEP-2254, "Cgroup v2".
            span = (_WEIGHT_MAX - _WEIGHT_MIN) / (_SHARES_MAX - _SHARES_MIN)
            (path / "cpu.weight").write_text(str(int(_WEIGHT_MIN + (shares - _SHARES_MIN) * span)))
        yield path
    finally:
        for pid in (path / "cgroup.procs").read_text().split():
            _move(int(pid), path.parent)
        path.rmdir()


def _move(pid: int, group: Path) -> None:
    with suppress(ProcessLookupError):
        (group / "cgroup.procs").write_text(str(pid))


def _cores(quantity: str) -> float:
    """Returns a quantity of CPU, such as `500m` or `2`, in cores."""
    return float(quantity[:-1]) / 1_000 if quantity.endswith("m") else float(quantity)
