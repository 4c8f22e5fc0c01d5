"""How a call ends that failed: the error is logged where it says more than its answer, then sent."""

from typing import Any, TypeAlias

import grpc
import grpc.aio
import structlog

from chassis.errors import DeadlineExceeded, Kind, ServiceError
from chassis.grpc import committed, errors
from chassis.identity.service_keys import ServiceKeys

log = structlog.get_logger()

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

_WORTH_A_WARNING = frozenset({Kind.INTERNAL, Kind.UNAVAILABLE, Kind.DEADLINE})


def refusal_of(error: Exception, path: str) -> ServiceError:
    """Returns the error to answer with, having logged what the answer will not say."""
    if isinstance(error, TimeoutError):
        error = DeadlineExceeded()
    if not isinstance(error, ServiceError):
        log.error("rpc failed", method=path, exc_info=error)
        return ServiceError()
    if error.kind in _WORTH_A_WARNING:
        log.warning("rpc refused", method=path, reason=error.reason, exc_info=error.__cause__)
    else:
        log.info("rpc refused", method=path, reason=error.reason)
    return error


def code_name(context: Context) -> str:
    """Returns the name of the status that a method set itself."""
    code: Any = context.code()
    return code.name if isinstance(code, grpc.StatusCode) else "UNKNOWN"


def trailing_events(events: list[committed.Committed], keys: ServiceKeys) -> tuple[tuple[str, bytes], ...]:
    """Returns the trailing metadata that names what was committed; empty if nothing was."""
    return ((committed.EVENTS_KEY, committed.encode(events, keys)),) if events else ()


async def abort(context: Context, error: ServiceError, events: tuple[tuple[str, bytes], ...]) -> None:
    """Ends a call with an error."""
    code, message, trailing = errors.encode(error)
    # What the method itself set goes with its error too.
    trailing = (*(context.trailing_metadata() or ()), *trailing)
    # What was committed before the failure is true all the same.
    trailing = (*trailing, *events)
    await context.abort(code, message, trailing)
