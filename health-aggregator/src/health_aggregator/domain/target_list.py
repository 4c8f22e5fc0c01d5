"""Rules for the list of targets as a whole."""

from collections.abc import Iterable

from health_aggregator.domain.causes import find_cycle
from health_aggregator.domain.errors import TargetsRefused
from health_aggregator.domain.target import Target


def overlay(*lists: Iterable[Target]) -> list[Target]:
    """Returns all targets; of two with the same name, that of the later list."""
    merged: dict[str, Target] = {}
    for targets in lists:
        for target in targets:
            merged[target.name] = target
    return list(merged.values())


def check_dependencies(source: str, targets: Iterable[Target]) -> None:
    """Refuses unknown dependencies and cycles.

    Raises:
        TargetsRefused: names the targets concerned.
    """
    depends_on = {target.name: target.depends_on for target in targets}
    for name, others in depends_on.items():
        for other in others:
            if other not in depends_on:
                raise TargetsRefused(source, f'"{name}" depends on "{other}", which is not a target')
    cycle = find_cycle(depends_on)
    if cycle is not None:
        raise TargetsRefused(source, f"dependencies run in a circle: {' -> '.join(cycle)}")
