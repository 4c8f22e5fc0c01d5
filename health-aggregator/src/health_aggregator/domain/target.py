"""Targets: what is checked, and how often."""

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from chassis.dataclass import dataclass

from health_aggregator.domain.damping import DampingRules


@dataclass(frozen=True, slots=True)
class Cadence:
    """When a target is checked.

    Attributes:
        interval_seconds: Between two checks while nothing changes.
        timeout_seconds: Maximum duration of one check.
        confirm_seconds: Between two checks while a change is unconfirmed.
        backoff_limit: Maximum intervals between two checks of a target that stays down.
    """

    interval_seconds: float = 1.0
    timeout_seconds: float = 1.0
    confirm_seconds: float = 0.15
    backoff_limit: float = 3.0


SELF_SECONDS = 16.0
"""Between two checks by a component of itself: one that hangs or ends does not check itself either."""

REPORTED_SECONDS = 4.0
"""Between two checks of a component whose end an open stream or connection reports at once: a check only
measures there and finds what hangs, and each one wakes two processes."""

POLLED_SECONDS = 2.0
"""Between two checks of any other component."""

_REPORT_THEIR_END = frozenset({"grpc", "postgres", "redis", "kubernetes"})


def cadence_of_components(kind: str) -> Cadence:
    """Returns when a component of the system itself is checked."""
    return Cadence(REPORTED_SECONDS if kind in _REPORT_THEIR_END else POLLED_SECONDS)


@dataclass(frozen=True, slots=True)
class Target:
    """A component of the system and how it is checked.

    Attributes:
        name: Its name, unique.
        kind: The technology of its check: `grpc`, `http`, `postgres` and so on.
        critical: Whether the system is unhealthy without it.
        depends_on: Names of the targets that it needs.
        enabled: False for a component that is known but not configured.
        cadence: When it is checked.
        checked_together: Whether its checks start at the same moments as others: those of a few targets
            cost less than waking this process for each.
        damping: How fast its state changes.
        options: What the check of this kind needs, such as `address` or `url`.
    """

    name: str
    kind: str
    critical: bool = False
    depends_on: tuple[str, ...] = ()
    enabled: bool = True
    cadence: Cadence = field(default_factory=Cadence)
    checked_together: bool = False
    damping: DampingRules = field(default_factory=DampingRules)
    options: Mapping[str, Any] = field(default_factory=dict)
