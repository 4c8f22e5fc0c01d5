"""What Vestibule itself consists of: the components that are watched wherever it runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from health_aggregator.domain.target import Target

OBSERVER = "health-aggregator"


@dataclass(frozen=True, slots=True)
class Part:
    """What is known of a part before it is configured."""

    kind: str
    critical: bool
    depends_on: tuple[str, ...] = ()


# Redis is not critical: without it tokens are introspected, and sign-in goes on.
_PARTS: Mapping[str, Part] = {
    "gateway": Part("http", critical=True, depends_on=("auth-service", "user-service", OBSERVER)),
    "auth-service": Part("grpc", critical=True, depends_on=("postgres", "redis")),
    "user-service": Part("grpc", critical=True, depends_on=("postgres", "redis")),
    OBSERVER: Part("grpc", critical=False),
    "postgres": Part("postgres", critical=True),
    "redis": Part("redis", critical=False),
    "qdrant": Part("qdrant", critical=False),
    "nextcloud": Part("nextcloud", critical=False),
}
_FURTHER_SERVICE = Part("grpc", critical=False)


def house_targets(options: Mapping[str, Mapping[str, Any]]) -> list[Target]:
    """Returns every part of the system, disabled where no options are known for it.

    A service that is not listed here is watched over gRPC and is not critical.

    Args:
        options: How to reach each part, by name.
    """
    parts = {**dict.fromkeys(options, _FURTHER_SERVICE), **_PARTS}
    return [
        Target(
            name=name,
            kind=part.kind,
            critical=part.critical,
            depends_on=part.depends_on,
            enabled=name in options,
            options=dict(options.get(name, {})),
        )
        for name, part in parts.items()
    ]


def part_of_the_house(name: str) -> Part | None:
    """Returns what is known of a part, or None when the house has none of that name."""
    return _PARTS.get(name)
