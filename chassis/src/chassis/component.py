"""A base class for what is composed once from others: use cases and adapters."""

from typing import Any, ClassVar, NoReturn, dataclass_transform, get_origin


@dataclass_transform(frozen_default=True, eq_default=False)
class Component:
    """An object that cannot be changed, composed of what its annotations name, in their order.

        class Logout(Component):
            units: UnitsOfWork
            clock: Clock

            async def __call__(self, token: str) -> None: ...

        logout = Logout(units, clock)

    Type checkers see a frozen dataclass. A dataclass compiles six methods per class from text, of which a
    component needs one: with a hundred components they were a tenth of auth-service's start.
    """

    _parts: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        """Reads the annotations."""
        constant: object = ClassVar
        cls._parts += tuple(
            name for name, kind in cls.__annotations__.items() if get_origin(kind) is not constant
        )

    def __init__(self, *parts: Any, **named: Any) -> None:
        """Takes the parts, by position or name; one with a default may be left out.

        Raises:
            TypeError: a part is missing, unknown or given twice.
        """
        given = dict(zip(self._parts, parts, strict=False))
        if named or len(parts) != len(self._parts):
            absent = set(self._parts) - given.keys()
            missing = {name for name in absent - named.keys() if not hasattr(type(self), name)}
            if missing or not named.keys() <= absent or len(parts) > len(self._parts):
                raise TypeError(f"{type(self).__name__} takes {', '.join(self._parts)}")
            given |= named
        self.__dict__.update(given)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        """Refuses to change a part."""
        del value
        raise AttributeError(f"{type(self).__name__}.{name} cannot be changed")
