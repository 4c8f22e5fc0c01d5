"""Handlers of other services' events."""

from collections.abc import Mapping
from uuid import UUID

from chassis.events.consumer import Handler
from chassis.identity.caller import current_caller
from vestibule.events.v1.events_pb2 import Event

from knowledge_service.usecases.erasure import EraseIfErased


def event_handlers(erase_if_erased: EraseIfErased) -> Mapping[str, Handler]:
    """Returns the handler for each member of an event's payload. All of them are idempotent."""

    async def user_changed(event: Event) -> None:
        await erase_if_erased(caller=current_caller(), user_id=UUID(event.user_changed.user_id))

    return {"user_changed": user_changed}
