"""Everything that names targets: the house, the configuration file, the cluster."""

from collections.abc import Callable, Sequence
from pathlib import Path

from health_aggregator.adapters.kubernetes.cluster import Cluster
from health_aggregator.adapters.kubernetes.discovery import discover
from health_aggregator.adapters.target_file import Configuration, Webhook, read_configuration
from health_aggregator.domain.target import Target
from health_aggregator.domain.target_list import check_dependencies, overlay


class TargetSources:
    """Reads them all; where a name comes twice, the more particular source wins.

    Args:
        house: Returns the parts of the house.
        config: The configuration file.
        cluster: Where to look for annotated pods.
    """

    def __init__(
        self, house: Callable[[], Sequence[Target]], config: Path | None, cluster: Cluster | None
    ) -> None:
        self._house = house
        self._config = config
        self._cluster = cluster
        self.webhooks: tuple[Webhook, ...] = ()

    def __call__(self) -> Sequence[Target]:
        """Returns every target.

        Raises:
            TargetsRefused: one of the sources is faulty.
        """
        found = discover(self._cluster.pods.values()) if self._cluster is not None else []
        configuration = read_configuration(self._config) if self._config is not None else Configuration()
        targets = overlay(self._house(), found, configuration.targets)
        check_dependencies(self._config.name if self._config is not None else "targets", targets)
        self.webhooks = configuration.webhooks
        return targets
