"""Events of other services: the second way to the same use cases, which never gets lost."""

from collections.abc import Mapping
from datetime import UTC
from uuid import UUID

from chassis.events.consumer import Handler
from chassis.identity.caller import current_caller
from vestibule.events.v1.events_pb2 import Event

from user_service.usecases.record_sign_in import RecordSignIn
from user_service.usecases.settle_registration import SettleRegistration


def event_handlers(
    *, settle_registration: SettleRegistration, record_sign_in: RecordSignIn
) -> Mapping[str, Handler]:
    """Returns what to do for which member of an event's payload. Doing it twice does it once."""

    async def registration_started(event: Event) -> None:
        await settle_registration(current_caller(), UUID(event.registration_started.user_id))

    async def signed_in(event: Event) -> None:
        payload = event.signed_in
        await record_sign_in(UUID(payload.user_id), payload.signed_in_at.ToDatetime(UTC))

    return {"registration_started": registration_started, "signed_in": signed_in}
