"""Components with other parts."""

from typing import TypeVar

from chassis.component import Component

Part = TypeVar("Part", bound=Component)


def changed(component: Part, **parts: object) -> Part:
    """Returns a component like it in which these parts are others."""
    return type(component)(**{**vars(component), **parts})
