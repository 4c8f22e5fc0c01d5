"""Checks a set of pods by their state in Kubernetes: how many are ready, and why others are not."""

import time
from collections.abc import Callable, Sequence
from datetime import timedelta

from chassis.clock import Clock

from health_aggregator.adapters import findings
from health_aggregator.adapters.kubernetes.cluster import Cluster
from health_aggregator.adapters.kubernetes.objects import Pod, matches
from health_aggregator.domain.check import CheckResult

# A watch is renewed every minute: when nothing arrives for longer, the API is gone.
_AGE_SECONDS_MAX = 90.0
_RECENT_RESTART = timedelta(minutes=10)
# Reasons given by Kubernetes that are public; others are only for admins.
_REASONS = frozenset(
    {"CrashLoopBackOff", "ImagePullBackOff", "ErrImagePull", "OOMKilled", "Error", "Evicted", "Unschedulable"}
    | {"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "ContainerCannotRun"}
)


class KubernetesCheck:
    """Reads what the watch has received; it makes no request.

    Args:
        cluster: The followed namespace.
        selector: Labels of the pods, such as `app.kubernetes.io/component=search`.
        wanted: Number of pods that must be ready; by default all that exist.
        service: A Service that must have a ready endpoint as well.
        wake: Called when something in the cluster changed.
        clock: Compared with the times of restarts.
    """

    def __init__(
        self,
        cluster: Cluster,
        selector: str,
        *,
        wake: Callable[[], None],
        clock: Clock,
        wanted: int | None = None,
        service: str | None = None,
    ) -> None:
        self._cluster = cluster
        self._selector = selector
        self._wanted = wanted
        self._service = service
        self._clock = clock
        self._unlisten = cluster.listen(wake)

    async def __call__(self, timeout_seconds: float) -> CheckResult:  # noqa: ARG002 it does not wait
        """Checks once."""
        started = time.monotonic()
        age = self._cluster.age_seconds
        if age is None or age > _AGE_SECONDS_MAX:
            return findings.down(started, "the Kubernetes API does not answer", silent=True)
        pods = [
            pod
            for pod in self._cluster.pods.values()
            if not pod.terminating and matches(self._selector, pod.labels)
        ]
        return self._evaluate(pods, started)

    async def close(self) -> None:
        """Stops listening."""
        self._unlisten()

    def _evaluate(self, pods: Sequence[Pod], started: float) -> CheckResult:
        wanted = self._wanted if self._wanted is not None else len(pods)
        ready = sum(pod.ready for pod in pods)
        reasons = sorted({pod.reason for pod in pods if pod.reason and not pod.ready})
        unready = [f"{pod.name}: {pod.reason or 'not ready'}" for pod in pods if not pod.ready]
        detail = "; ".join(unready) or None
        shown = ", ".join(reason for reason in reasons if reason in _REASONS)
        suffix = f" ({shown})" if shown else ""
        if not ready:
            return findings.down(started, f"0 of {wanted} pods are ready{suffix}", detail)
        if ready < wanted:
            return findings.degraded(started, f"{ready} of {wanted} pods are ready{suffix}", detail)
        if self._service is not None:
            slices = self._cluster.endpoint_slices.values()
            if not any(each.ready for each in slices if each.service == self._service):
                return findings.down(started, "no endpoint of its Service is ready", self._service)
        now = self._clock.now()
        recent = [pod for pod in pods if pod.restarted_at and now - pod.restarted_at < _RECENT_RESTART]
        if recent:
            restarts = sum(pod.restarts for pod in recent)
            return findings.degraded(
                started, f"restarted in the last 10 minutes ({restarts} restarts in all)"
            )
        return findings.up(started)
