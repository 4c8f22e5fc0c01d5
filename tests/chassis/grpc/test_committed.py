"""The events that a call commits are returned to its caller."""

from typing import Any

from chassis.errors import (
    Unavailable,
)
from chassis.grpc import committed
from vestibule.events.v1.events_pb2 import Event
from vestibule.users.v1 import user_service_pb2

from tests.chassis.grpc.stack import USER_ID, Stack, reason, sign_in


def event(tag: str) -> Event:
    """Returns an event with a distinct tag."""
    return Event(tags=[tag])


async def test_committed_events_travel_back(stack: Stack) -> None:
    """The caller sees its own change at once, also if the call failed after the commit."""

    async def succeed(request: Any, context: Any) -> Any:
        committed.note(event("a"))
        return user_service_pb2.UpdateMeResponse()

    async def fail(request: Any, context: Any) -> Any:
        committed.note(event("b"))
        raise Unavailable

    stack.script.answers |= {"UpdateMe": succeed, "DeleteMe": fail}
    sign_in("user")
    events = committed.collect()
    await stack.users.UpdateMe(user_service_pb2.UpdateMeRequest())
    refused = await reason(stack.users.DeleteMe(user_service_pb2.DeleteMeRequest(password="x")))

    assert refused == "UNAVAILABLE"
    assert [list(each.event.tags) for each in events] == [["a"], ["b"]]


async def test_committed_events_travel_through_a_service(stack: Stack) -> None:
    """A service that calls another hands on what the other committed."""

    async def inner(request: Any, context: Any) -> Any:
        committed.note(event("inner"))
        return user_service_pb2.UpdateMeResponse()

    async def outer(request: Any, context: Any) -> Any:
        committed.note(event("outer"))
        await stack.users.UpdateMe(user_service_pb2.UpdateMeRequest())
        return user_service_pb2.UpdateUserResponse()

    stack.script.answers |= {"UpdateMe": inner, "UpdateUser": outer}
    sign_in("admin")
    events = committed.collect()
    await stack.users.UpdateUser(user_service_pb2.UpdateUserRequest(user_id=str(USER_ID)))

    assert [list(each.event.tags) for each in events] == [["outer"], ["inner"]]


async def test_more_events_than_metadata_holds(stack: Stack) -> None:
    """The answer stays an answer; the stream brings the rest."""

    async def answer(request: Any, context: Any) -> Any:
        for number in range(1_000):
            committed.note(event(f"tag {number}"))
        return user_service_pb2.UpdateMeResponse()

    stack.script.answers["UpdateMe"] = answer
    sign_in("user")
    events = committed.collect()
    await stack.users.UpdateMe(user_service_pb2.UpdateMeRequest())

    assert 20 < len(events) < 1_000
