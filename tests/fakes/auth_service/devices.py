"""Known devices in memory."""

from collections.abc import Sequence
from uuid import UUID

from auth_service.domain.device import DEVICES_MAX, NOTICES_MAX, NOTICES_WINDOW, REMEMBERED

from tests.fakes.auth_service.state import FakeClock, State


class FakeDeviceDigests:
    """Writes users and devices in clear."""

    def __call__(self, user_id: UUID, device: str) -> Sequence[bytes]:
        """Returns the device."""
        return [f"{user_id} {device}".encode()]


class FakeDevices:
    """`DeviceRepository` in a dictionary."""

    def __init__(self, state: State, clock: FakeClock) -> None:
        self._rows = state.devices
        self._clock = clock

    async def is_known(self, user_id: UUID, digest: bytes) -> bool:
        """Whether the user has signed in from there before."""
        added_at = self._rows.get((user_id, digest))
        return added_at is not None and added_at > self._clock.now() - REMEMBERED

    async def add(self, user_id: UUID, digest: bytes) -> bool:
        """Remembers a device; says whether the user should be told."""
        now = self._clock.now()
        mine = {key: at for key, at in self._rows.items() if key[0] == user_id}
        is_new = not await self.is_known(user_id, digest)
        lately = sum(at > now - NOTICES_WINDOW for at in mine.values())
        if is_new:
            self._rows[user_id, digest] = now
        for key in sorted(mine, key=lambda key: mine[key], reverse=True)[DEVICES_MAX - 1 :]:
            del self._rows[key]
        return is_new and len(mine) > 0 and lately <= NOTICES_MAX

    async def keep_digest(self, user_id: UUID, known: bytes, digest: bytes) -> None:
        """Keeps another digest of a known device."""
        self._rows[user_id, digest] = self._rows.pop((user_id, known))

    async def forget_all(self, user_id: UUID) -> None:
        """Forgets every device of a user."""
        for key in [key for key in self._rows if key[0] == user_id]:
            del self._rows[key]
