"""Results of use cases as protobuf messages."""

from chassis.grpc.timestamps import timestamp
from vestibule.health.v1 import health_service_pb2 as pb

from health_aggregator.domain.board import Component
from health_aggregator.domain.state import Change, State, Status
from health_aggregator.usecases.health import Health

_STATES = {state: pb.State.Value(f"STATE_{state.name}") for state in State}
_STATUSES = {status: pb.Status.Value(f"STATUS_{status.name}") for status in Status}


def health_message(health: Health, *, with_details: bool = False) -> pb.GetHealthResponse:
    """Returns the health of the system as a message; details are for admins."""
    return pb.GetHealthResponse(
        status=_STATUSES[health.status],
        components=[_component(component, with_details=with_details) for component in health.components],
    )


def change_message(change: Change) -> pb.ComponentChange:
    """Returns a change as a message."""
    return pb.ComponentChange(
        name=change.name,
        state=_STATES[change.state],
        previous=_STATES[change.previous],
        at=timestamp(change.at),
    )


def _component(component: Component, *, with_details: bool) -> pb.Component:
    return pb.Component(
        name=component.name,
        kind=component.kind,
        critical=component.critical,
        state=_STATES[component.state],
        latency_ms=None if component.latency_seconds is None else round(component.latency_seconds * 1000, 3),
        since=timestamp(component.since),
        error=component.error,
        depends_on=component.depends_on,
        caused_by=component.caused_by,
        raw=_STATES[component.raw],
        degraded=component.degraded,
        detail=component.detail if with_details else None,
    )
