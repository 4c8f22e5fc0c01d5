"""The components of Vestibule itself, which are watched wherever it runs.

Services are asked by HTTP whether they are ready, not by gRPC: a call by gRPC wakes each of its threads some
seventeen times afterwards, in both processes.
"""

from collections.abc import Mapping
from typing import Any

from chassis.dataclass import dataclass

from health_aggregator.domain.target import (
    REPORTED_SECONDS,
    SELF_SECONDS,
    Cadence,
    Target,
    cadence_of_components,
)

AGGREGATOR = "health-aggregator"
"""The component that this process itself is."""


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """What is known of a component before it is configured.

    Attributes:
        optional: Whether it is listed only where it runs; others are listed as disabled.
    """

    kind: str
    critical: bool
    depends_on: tuple[str, ...] = ()
    optional: bool = False


_RETURN_SECONDS = 0.5
"""Between two checks of a service that is down, since nothing reports its return."""

# Redis is not critical: without it tokens are introspected, and signing in still works.
BUILT_IN: Mapping[str, BuiltIn] = {
    "gateway": BuiltIn("http", critical=True, depends_on=("auth-service", "user-service", AGGREGATOR)),
    "auth-service": BuiltIn("http", critical=True, depends_on=("postgres", "redis")),
    "user-service": BuiltIn("http", critical=True, depends_on=("postgres", "redis")),
    AGGREGATOR: BuiltIn("http", critical=False),
    "knowledge-service": BuiltIn(
        "http",
        critical=False,
        depends_on=("auth-service", "user-service", "postgres", "redis", "qdrant"),
        optional=True,
    ),
    "voice-service": BuiltIn("http", critical=False, depends_on=("auth-service", "redis"), optional=True),
    "postgres": BuiltIn("postgres", critical=True),
    "redis": BuiltIn("redis", critical=False),
    "qdrant": BuiltIn("qdrant", critical=False),
    "nextcloud": BuiltIn("nextcloud", critical=False),
}
_FURTHER_SERVICE = BuiltIn("http", critical=False)


def built_in_targets(options: Mapping[str, Mapping[str, Any]]) -> list[Target]:
    """Returns a target for each built-in component; one without options is disabled.

    Args:
        options: How to reach each component, by name. A service that is not listed here is checked
            by HTTP and is not critical.
    """
    built_in = {name: each for name, each in BUILT_IN.items() if name in options or not each.optional}
    known = {**built_in, **{name: _FURTHER_SERVICE for name in options if name not in BUILT_IN}}
    return [
        Target(
            name=name,
            kind=component.kind,
            critical=component.critical,
            depends_on=component.depends_on,
            enabled=name in options,
            cadence=_cadence(name, component.kind),
            checked_together=True,
            options=dict(options.get(name, {})),
        )
        for name, component in known.items()
    ]


def _cadence(name: str, kind: str) -> Cadence:
    if name == AGGREGATOR:
        return Cadence(SELF_SECONDS)
    if kind == "http":
        # The connection of its last check is kept, and reports its end.
        return Cadence(REPORTED_SECONDS, backoff_limit=_RETURN_SECONDS / REPORTED_SECONDS)
    return cadence_of_components(kind)
