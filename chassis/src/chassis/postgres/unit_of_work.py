"""What the units of work of all services have in common: one connection, and repositories on it."""

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, overload

from chassis.postgres.connection import Connection

Made = TypeVar("Made")


class ConnectionUnit:
    """A unit of work on one connection."""

    __slots__ = ("connection",)

    def __init__(self, connection: Connection) -> None:
        self.connection = connection


class Repository(Generic[Made]):
    """A repository as an attribute of a `ConnectionUnit`, made when it is used: most units use one of many.

    class PostgresUnitOfWork(ConnectionUnit):
        users = Repository(PostgresUsers)
    """

    def __init__(self, make: Callable[[Connection], Made]) -> None:
        self._make = make

    @overload
    def __get__(self, unit: None, owner: Any) -> Self: ...
    @overload
    def __get__(self, unit: ConnectionUnit, owner: Any) -> Made: ...
    def __get__(self, unit: ConnectionUnit | None, owner: Any) -> Made | Self:
        """Returns the repository on the unit's connection."""
        return self if unit is None else self._make(unit.connection)
