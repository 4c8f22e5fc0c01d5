"""Dataclasses that share their methods, for types that a service makes at its start.

The standard library compiles `__eq__`, `__hash__` and `__repr__` for each class from text, and keeps two more
functions for each frozen one. With a hundred classes that is 0.45 MB of auth-service and 8 % of its imports.
Here each class has an `__init__` of its own, which is what matters for speed, and shares all others.
"""

import dataclasses
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

__all__ = ["dataclass"]

_Class = TypeVar("_Class", bound=type)

_OPTIONS = frozenset({"frozen", "slots", "kw_only", "weakref_slot", "repr"})


def _dataclass(given: _Class | None = None, /, **options: bool) -> _Class | Callable[[_Class], _Class]:
    """Makes a dataclass as `dataclasses.dataclass` does; two are equal if their fields are.

    Args:
        given: The class; None where the decorator has options.
        options: `frozen`, `slots`, `kw_only`, `weakref_slot` and `repr`, with the same meaning.

    Raises:
        TypeError: another option; such a class has methods of its own.
    """
    if refused := options.keys() - _OPTIONS:
        raise TypeError(f"chassis.dataclass has no option {', '.join(sorted(refused))}")

    def make(plain: _Class) -> _Class:
        defined = set(vars(plain))
        is_frozen = options.get("frozen", False)
        made: Any = dataclasses.dataclass(**{**options, "repr": False, "eq": False})(plain)
        compared = [field.name for field in dataclasses.fields(made) if field.compare]
        methods = {
            "_compared": staticmethod(attrgetter(*compared) if compared else _nothing),
            "__eq__": _equals,
            "__hash__": _hash if is_frozen else None,
        }
        if options.get("repr", True):
            methods["__repr__"] = _repr
        if is_frozen:
            methods |= {"__setattr__": _refuse, "__delattr__": _refuse}
        for name in methods.keys() - defined:
            setattr(made, name, methods[name])
        return made  # type: ignore[no-any-return]

    return make if given is None else make(given)


def _nothing(value: object) -> tuple[()]:
    del value
    return ()


def _equals(self: Any, other: Any) -> object:
    if other.__class__ is not self.__class__:
        return NotImplemented
    return bool(self._compared(self) == self._compared(other))


def _hash(self: Any) -> int:
    return hash(self._compared(self))


def _repr(self: Any) -> str:
    shown = (f"{each.name}={getattr(self, each.name)!r}" for each in dataclasses.fields(self) if each.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _refuse(self: object, name: str, value: object = None) -> NoReturn:
    del value
    raise dataclasses.FrozenInstanceError(f"{type(self).__qualname__}.{name} cannot be changed")


if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    dataclass = _dataclass
