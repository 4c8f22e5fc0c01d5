"""The built-in targets, with addresses from the settings and the topology file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chassis.dataclass import dataclass

from health_aggregator.adapters.topology_file import read_topology, readiness_url
from health_aggregator.domain.built_in_targets import AGGREGATOR, built_in_targets
from health_aggregator.domain.target import Target


@dataclass(frozen=True, slots=True)
class BuiltInSource:
    """Returns the built-in targets; those without an address are disabled.

    Attributes:
        urls: URLs of the backends, by the target's name.
        own_address: Where this process answers HTTP, as `host:port`.
        topology: The topology file, with the addresses of the services.
    """

    urls: Mapping[str, str]
    own_address: str
    topology: Path | None

    def __call__(self) -> list[Target]:
        """Returns the targets.

        Raises:
            TargetsRefused: the topology file is faulty.
        """
        services = read_topology(self.topology) if self.topology is not None else {}
        return built_in_targets(services | self._options())

    def without_topology(self) -> list[Target]:
        """Returns the targets without those that only the topology file has addresses of."""
        return built_in_targets(self._options())

    def _options(self) -> dict[str, Mapping[str, Any]]:
        urls = {AGGREGATOR: readiness_url(self.own_address), **self.urls}
        return {name: {"url": url} for name, url in urls.items()}
