"""Handlers of other services' events: a second path to use cases, which survives crashes of the first."""

from collections.abc import Mapping
from uuid import UUID

from chassis.clock import Clock
from chassis.events.consumer import Handler
from chassis.grpc.timestamps import datetime_of
from chassis.identity.caller import current_caller
from vestibule.events.v1.events_pb2 import Event

from user_service.domain.accounts import Accounts
from user_service.domain.unit_of_work import StaleCopies, UnitsOfWork
from user_service.usecases.registration import AdmitUser, CompleteRegistration
from user_service.usecases.users import RecordSignIn


def event_handlers(
    units: UnitsOfWork, accounts: Accounts, stale_copies: StaleCopies, clock: Clock
) -> Mapping[str, Handler]:
    """Returns the handler for each member of an event's payload. All of them are idempotent."""
    complete_registration = CompleteRegistration(AdmitUser(units, accounts, clock), accounts)
    record_sign_in = RecordSignIn(units, stale_copies)

    async def registration_started(event: Event) -> None:
        await complete_registration(caller=current_caller(), user_id=UUID(event.registration_started.user_id))

    async def signed_in(event: Event) -> None:
        payload = event.signed_in
        await record_sign_in(user_id=UUID(payload.user_id), signed_in_at=datetime_of(payload.signed_in_at))

    return {"registration_started": registration_started, "signed_in": signed_in}
