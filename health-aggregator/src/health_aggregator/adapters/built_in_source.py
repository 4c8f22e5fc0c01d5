"""The built-in targets, with addresses from the settings and the topology file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from health_aggregator.adapters.check_factory import INTERNAL_TLS
from health_aggregator.adapters.topology_file import read_topology
from health_aggregator.domain.built_in_targets import AGGREGATOR, built_in_targets
from health_aggregator.domain.target import Target


@dataclass(frozen=True, slots=True)
class BuiltInSource:
    """Returns the built-in targets; those without an address are disabled.

    Attributes:
        urls: URLs of the backends, by the target's name.
        own_address: This process's own gRPC address.
        topology: The topology file, with the addresses of the services.
        tls: Whether the services use TLS among themselves.
    """

    urls: Mapping[str, str]
    own_address: str
    topology: Path | None
    tls: bool

    def __call__(self) -> list[Target]:
        """Returns the targets.

        Raises:
            TargetsRefused: the topology file is faulty.
        """
        services = read_topology(self.topology) if self.topology is not None else {}
        options = services | self._options()
        if self.tls:
            options = {
                name: {**known, INTERNAL_TLS: True} if "address" in known else known
                for name, known in options.items()
            }
        return built_in_targets(options)

    def without_topology(self) -> list[Target]:
        """Returns the targets without those that only the topology file has addresses of."""
        return built_in_targets(self._options())

    def _options(self) -> dict[str, Mapping[str, Any]]:
        # With TLS this process cannot check itself without a certificate; Kubernetes does it instead.
        own: dict[str, Mapping[str, Any]] = {} if self.tls else {AGGREGATOR: {"address": self.own_address}}
        return own | {name: {"url": url} for name, url in self.urls.items()}
