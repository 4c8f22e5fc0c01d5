"""The history of a test: every call of every user, with its start, its end and its answer."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Call:
    """One call as its client saw it.

    Attributes:
        actor: Who made it.
        kind: What it was for: `read`, `rename`, `refresh`, `logout`, `login`, `register`.
        gateway: Which gateway was asked.
        request_id: Names it in the audit trail too.
        began: By `time.monotonic()`.
        ended: By the same clock.
        status: HTTP status; 0 when no answer came.
        code: The error's code.
        sent: What distinguishes this call from others of its kind.
        got: What the answer held of interest.
    """

    actor: str
    kind: str
    gateway: str
    request_id: str
    began: float
    ended: float
    status: int
    code: str | None = None
    sent: dict[str, Any] = field(default_factory=dict)
    got: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        answer = f"{self.status} {self.code}" if self.status else "no answer"
        return (
            f"{self.kind} ({self.request_id}) at {self.gateway}: {answer} in {self.ended - self.began:.2f} s"
        )

    @property
    def acknowledged(self) -> bool:
        """Whether it was answered with success."""
        return 200 <= self.status < 300

    @property
    def in_doubt(self) -> bool:
        """Whether the change may have been made although the answer failed."""
        return self.status == 0 or self.status >= 500

    @property
    def failed(self) -> bool:
        """Whether the server failed: no answer, or a 5xx."""
        return self.in_doubt


class History:
    """All calls, in the order in which they ended."""

    def __init__(self) -> None:
        self._calls: list[Call] = []
        self._lock = threading.Lock()

    def add(self, call: Call) -> None:
        """Adds a call."""
        with self._lock:
            self._calls.append(call)

    def __iter__(self) -> Iterator[Call]:
        with self._lock:
            return iter(list(self._calls))

    def __len__(self) -> int:
        return len(self._calls)

    def where(self, chosen: Callable[[Call], bool]) -> list[Call]:
        """Returns the calls that match."""
        return [call for call in self if chosen(call)]

    def since(self, moment: float) -> list[Call]:
        """Returns the calls that began after a time."""
        return self.where(lambda call: call.began >= moment)

    def recovered_after(self, moment: float) -> float:
        """Returns the seconds from a time to the end of the last failing call; 0 when none failed."""
        late = [call.ended for call in self if call.failed and call.ended > moment]
        return max(late, default=moment) - moment


def now() -> float:
    """Returns the time, on the clock of every history."""
    return time.monotonic()
