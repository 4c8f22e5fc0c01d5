"""What Vestibule itself consists of: the components that are watched wherever it runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from health_aggregator.domain.target import Target

OBSERVER = "health-aggregator"


@dataclass(frozen=True, slots=True)
class _Part:
    kind: str
    critical: bool
    depends_on: tuple[str, ...] = ()


# Redis is not critical: without it tokens are introspected, and sign-in goes on.
_PARTS: Mapping[str, _Part] = {
    "gateway": _Part("http", critical=True, depends_on=("auth-service", "user-service", OBSERVER)),
    "auth-service": _Part("grpc", critical=True, depends_on=("postgres", "redis")),
    "user-service": _Part("grpc", critical=True, depends_on=("postgres", "redis")),
    OBSERVER: _Part("grpc", critical=False),
    "postgres": _Part("postgres", critical=True),
    "redis": _Part("redis", critical=False),
    "qdrant": _Part("qdrant", critical=False),
    "nextcloud": _Part("nextcloud", critical=False),
}
NAMES = tuple(_PARTS)


def house_targets(options: Mapping[str, Mapping[str, Any]]) -> list[Target]:
    """Returns every part of the house, disabled where no options are known for it.

    Args:
        options: How to reach each part, by name.
    """
    return [
        Target(
            name=name,
            kind=part.kind,
            critical=part.critical,
            depends_on=part.depends_on,
            enabled=name in options,
            options=dict(options.get(name, {})),
        )
        for name, part in _PARTS.items()
    ]
