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

    The language of a device that the user is notified of does not count yet: the notice is for the user.

    Attributes:
        is_on: Whether users are notified.
    """

    units: UnitsOfWork
    digests: DeviceDigests
    is_on: bool

    async def __call__(self, *, user_id: UUID, caller: Caller) -> None:
        """Stores it, if Postgres is available: the sign-in does not depend on it."""
        with suppress(Unavailable):
            if self.is_on and await self._is_notified(user_id, caller):
                return
            if caller.accept_language:
                async with self.units.statements() as unit:
                    await unit.credentials.note_language(user_id, caller.accept_language)

    async def _is_notified(self, user_id: UUID, caller: Caller) -> bool:
        """Stores the device; returns whether it led to a notice."""
        digests = self.digests(user_id, device_of(caller.user_agent, caller.client_address))
        async with self.units.statements() as unit:
            for digest in digests:
                if await unit.devices.is_known(user_id, digest):
                    if digest != digests[0]:
                        await unit.devices.keep_digest(user_id, digest, digests[0])
                    return False
        async with self.units.transaction() as unit:
            # The lock makes one of two concurrent first sign-ins the first.
            if await unit.credentials.lock(user_id) is None:
                return False
            is_notified = await unit.devices.add(user_id, digests[0])
            if is_notified:
                await unit.mails.queue(MailKind.NEW_DEVICE, user_id)
            return is_notified
