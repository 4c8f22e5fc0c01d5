"""Whether this process may receive traffic: named checks, answered from memory."""

from collections.abc import Callable
from enum import StrEnum


class State(StrEnum):
    """The state of one check."""

    OK = "ok"
    STARTING = "starting"
    FAILING = "failing"
    STOPPING = "stopping"


class Readiness:
    """Named checks of this process; it is ready if all are ok and it is not stopping.

    A check is a flag that its owner sets, or a function that reads memory. Neither does I/O.

    Attributes:
        waits_for: The other services that the checks need to become ok for the first time.
    """

    def __init__(self) -> None:
        self._flags: dict[str, bool | None] = {}
        self._questions: dict[str, Callable[[], bool]] = {}
        self._stopping = False
        self.waits_for: frozenset[str] = frozenset()

    def expect(self, name: str) -> None:
        """Adds a flag that keeps the process unready until it is set."""
        self._flags.setdefault(name, None)

    def set(self, name: str, *, ok: bool) -> None:
        """Sets a flag."""
        self._flags[name] = ok

    def ask(self, name: str, question: Callable[[], bool], *, waits_for: str | None = None) -> None:
        """Adds a check as a function that reads only memory.

        Args:
            name: Its name in `/ready`.
            question: Returns whether it is ok now.
            waits_for: The other service that it needs to become ok. A Kubernetes Service without ready pods
                has no DNS records, so services that wait for each other in a cycle never become ready;
                `tests/tidy/test_readiness.py` refuses cycles.
        """
        if waits_for is not None:
            self.waits_for |= {waits_for}
        self._questions[name] = question

    def stop(self) -> None:
        """Makes the process unready permanently: it is stopping."""
        self._stopping = True

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stopping

    @property
    def ready(self) -> bool:
        """Whether the process may receive traffic now."""
        return not self._stopping and all(state is State.OK for state in self.checks().values())

    def checks(self) -> dict[str, State]:
        """Returns the state of every check, by name."""
        found = {name: _state(ok) for name, ok in self._flags.items()}
        found |= {name: _state(question()) for name, question in self._questions.items()}
        if self._stopping:
            found["process"] = State.STOPPING
        return found


def _state(ok: bool | None) -> State:  # noqa: FBT001 - a flag is what it maps
    if ok is None:
        return State.STARTING
    return State.OK if ok else State.FAILING
