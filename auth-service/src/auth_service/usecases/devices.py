"""Devices that users sign in from."""

from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from chassis.errors import Unavailable
from chassis.identity.caller import Caller

from auth_service.domain.device import DeviceDigests, device_of
from auth_service.domain.mail import MailKind
from auth_service.domain.unit_of_work import UnitsOfWork


@dataclass(frozen=True, slots=True)
class RecordDevice:
    """Remembers the device, and queues a mail if it is new; the first one of a user is no news.

    Attributes:
        is_on: Whether users are to be told.
    """

    units: UnitsOfWork
    digests: DeviceDigests
    is_on: bool

    async def __call__(self, *, user_id: UUID, caller: Caller) -> None:
        """Returns when it is noted, or cannot be now; the sign-in does not depend on it."""
        if not self.is_on:
            return
        digests = self.digests(user_id, device_of(caller.user_agent, caller.client_address))
        with suppress(Unavailable):
            async with self.units.statements() as unit:
                for digest in digests:
                    if await unit.devices.is_known(user_id, digest):
                        if digest != digests[0]:
                            await unit.devices.keep_digest(user_id, digest, digests[0])
                        return
            async with self.units.transaction() as unit:
                # Of two first sign-ins at once, one is the first.
                if await unit.credentials.lock(user_id) is not None and await unit.devices.add(
                    user_id, digests[0]
                ):
                    await unit.mails.queue(MailKind.NEW_DEVICE, user_id)
