"""The sources of targets: built-in, the configuration file, the cluster."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from health_aggregator.adapters.kubernetes.cluster import Cluster
from health_aggregator.adapters.kubernetes.discovery import discover
from health_aggregator.adapters.target_file import Configuration, Webhook, read_configuration
from health_aggregator.domain.errors import TargetsRefused
from health_aggregator.domain.target import Target
from health_aggregator.domain.target_list import check_dependencies, overlay

_NO_CLUSTER = (
    "there is no cluster here: no service account, "
    "nor both HEALTH_KUBERNETES_URL and HEALTH_KUBERNETES_NAMESPACE"
)


class TargetSources:
    """Reads all sources. Of targets with the same name, the file's wins, then the cluster's.

    Args:
        built_in: Returns the built-in targets.
        config: The configuration file.
        cluster: The cluster whose annotated pods are targets.
        can_follow: Whether there is a cluster that targets of kind `kubernetes` can be checked in.
    """

    def __init__(
        self,
        built_in: Callable[[], Sequence[Target]],
        config: Path | None,
        cluster: Cluster | None,
        can_follow: Callable[[], bool] = lambda: True,
    ) -> None:
        self._can_follow = can_follow
        self._built_in = built_in
        self._config = config
        self._cluster = cluster
        self.webhooks: tuple[Webhook, ...] = ()

    def __call__(self) -> Sequence[Target]:
        """Returns every target; none depends on one that is disabled.

        Raises:
            TargetsRefused: a source is faulty.
        """
        found = discover(self._cluster.pods.values()) if self._cluster is not None else []
        configuration = read_configuration(self._config) if self._config is not None else Configuration()
        targets = overlay(self._built_in(), found, configuration.targets)
        source = self._config.name if self._config is not None else "targets"
        check_dependencies(source, targets)
        needing = [target.name for target in targets if target.enabled and target.kind == "kubernetes"]
        if needing and not self._can_follow():
            raise TargetsRefused(source, f"targets.{needing[0]}.kind: {_NO_CLUSTER}")
        self.webhooks = configuration.webhooks
        disabled = {target.name for target in targets if not target.enabled}
        return [
            replace(target, depends_on=tuple(name for name in target.depends_on if name not in disabled))
            for target in targets
        ]
