"""A span, as the code that records on it sees it."""

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
        """Changes its name."""

    def note(self, key: str, value: str | float | bool) -> None:  # noqa: FBT001 a value of an attribute
        """Sets an attribute: never a secret, an address or a name."""

    def fail(self, error: str) -> None:
        """Marks it as failed.

        Args:
            error: A type or code, never a message: messages may contain secrets or personal data.
        """

    def end(self, ended_ns: int | None = None) -> None:
        """Ends it now, or at the given `time.time_ns()`."""
