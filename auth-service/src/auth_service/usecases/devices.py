"""Devices that users sign in from."""

from contextlib import suppress
from uuid import UUID

from chassis.component import Component
from chassis.errors import Unavailable
from chassis.identity.caller import Caller

from auth_service.domain.device import DeviceDigests, device_of
from auth_service.domain.mail import MailKind
from auth_service.domain.unit_of_work import UnitsOfWork


class RecordDevice(Component):
    """Stores the device of a sign-in, and queues a notice if it is new and not the user's first.

    Attributes:
        is_on: Whether users are notified.
    """

    units: UnitsOfWork
    digests: DeviceDigests
    is_on: bool

    async def __call__(self, *, user_id: UUID, caller: Caller) -> None:
        """Stores it, if Postgres is available: the sign-in does not depend on it."""
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
                # The lock makes one of two concurrent first sign-ins the first.
                if await unit.credentials.lock(user_id) is not None and await unit.devices.add(
                    user_id, digests[0]
                ):
                    await unit.mails.queue(MailKind.NEW_DEVICE, user_id)
