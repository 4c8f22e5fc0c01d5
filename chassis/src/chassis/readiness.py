"""Whether this process may take traffic: a snapshot that others write and a probe reads."""

from collections.abc import Callable
from enum import StrEnum


class State(StrEnum):
    """The state of one check."""

    OK = "ok"
    STARTING = "starting"
    FAILING = "failing"
    STOPPING = "stopping"


class Readiness:
    """Named checks about this process; ready when every one is ok and it is not stopping.

    A check is either a flag that its owner sets or a question that is answered from
    memory. Neither does I/O.

    Attributes:
        waits_for: The other services that the checks need before they can be ok for the first time.
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
        """Adds a check that is answered by a call that reads memory only.

        Args:
            name: What `/ready` calls it.
            question: Whether it is ok now.
            waits_for: The other service without which it cannot become ok. A Service without ready pods
                has no name in DNS, so services that wait for one another in a ring never become
                ready: `tests/tidy/test_readiness.py` refuses one.
        """
        if waits_for is not None:
            self.waits_for |= {waits_for}
        self._questions[name] = question

    def stop(self) -> None:
        """Makes the process unready for good: it is stopping."""
        self._stopping = True

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stopping

    @property
    def ready(self) -> bool:
        """Whether the process may take traffic now."""
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
