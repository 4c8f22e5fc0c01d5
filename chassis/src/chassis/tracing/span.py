"""A span, as everybody sees it who notes something on it."""

from collections.abc import Mapping
from typing import Literal, Protocol

Kind = Literal["SERVER", "CLIENT", "PRODUCER", "CONSUMER", "INTERNAL"]
Attributes = Mapping[str, str | int | float | bool]


class Span(Protocol):
    """A span being recorded."""

    @property
    def traceparent(self) -> str:
        """Its W3C trace context."""

    def rename(self, name: str) -> None:
        """Gives it the name that is known only by now."""

    def note(self, key: str, value: str | float | bool) -> None:  # noqa: FBT001 a value of an attribute
        """Notes an attribute: never a secret, an address or a name."""

    def fail(self, error: str) -> None:
        """Marks it as failed.

        Args:
            error: A type or code, no message: messages may hold what must not be told.
        """

    def end(self, ended_ns: int | None = None) -> None:
        """Ends it now, or at the given `time.time_ns()`."""
