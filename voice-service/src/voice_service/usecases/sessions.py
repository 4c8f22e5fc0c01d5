"""The sessions of a process: bounded in number, and each is audited when it ends."""

from collections.abc import Iterator
from contextlib import contextmanager

from chassis.errors import Kind, ServiceError, Unavailable
from chassis.identity.caller import Caller

from voice_service.domain.session import Action, AuditTrail, Outcome, Session

SESSIONS_MAX = 100
"""At once: each may keep three utterances of 0.9 MB until they are understood."""


class NotBegun(Unavailable):
    """A session cannot begin."""


class SessionsFull(NotBegun):
    """This process has as many sessions as it takes."""

    message = "All sessions are in use just now."
    retry_after_seconds = 5.0


class Sessions:
    """The sessions of this process."""

    def __init__(self, audit: AuditTrail) -> None:
        self._audit = audit
        self._open = 0

    @contextmanager
    def session(self, action: Action, caller: Caller) -> Iterator[Session]:
        """Gives a session, and records it when the block ends, however it ends.

        Raises:
            SessionsFull: there are `SESSIONS_MAX`.
        """
        if self._open >= SESSIONS_MAX:
            raise SessionsFull
        session = Session(action, caller)
        self._open += 1
        try:
            yield session
        except ServiceError as error:
            session.outcome = Outcome.REFUSED if error.kind is Kind.INVALID else Outcome.FAILED
            session.ended_by = error.reason
            raise
        except Exception:
            session.outcome, session.ended_by = Outcome.FAILED, ServiceError.reason
            raise
        else:
            session.ended_by = "finished"
        finally:
            self._open -= 1
            self._audit.record(session)
