"""Every session is audited when it ends."""

from collections.abc import Iterator
from contextlib import contextmanager

from chassis.errors import Kind, ServiceError
from chassis.identity.caller import Caller

from voice_service.domain.session import Action, AuditTrail, Outcome, Session


@contextmanager
def audited(trail: AuditTrail, action: Action, caller: Caller) -> Iterator[Session]:
    """Gives a session, and records it when the block ends, however it ends."""
    session = Session(action, caller)
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
        trail.record(session)
