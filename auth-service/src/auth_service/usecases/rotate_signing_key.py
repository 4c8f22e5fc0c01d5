"""The next signing key, published before it signs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from chassis.clock import Clock
from chassis.identity.caller import Caller

from auth_service.domain.audit import audited
from auth_service.domain.errors import SuccessorWaits
from auth_service.domain.ports import KeySealer
from auth_service.domain.signing_key import Schedule, SigningKey, is_due, succeeded, waiting
from auth_service.domain.stores import Database, Stores


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """What rotating has set down.

    Attributes:
        successor: The new key.
        ended: The keys that it succeeds, each with the time of its end.
    """

    successor: SigningKey
    ended: Sequence[SigningKey]


@dataclass(frozen=True, slots=True)
class RotateSigningKey:
    """Publishes a successor; times decide the rest. Instances may try at once; one of them does it."""

    database: Database
    sealer: KeySealer
    schedule: Schedule
    clock: Clock

    async def __call__(self) -> Rotation:
        """Rotates now, whatever the schedule says.

        Raises:
            SuccessorWaits: the next key is published and has not begun to sign.
            MasterKeyMismatch: the keys were sealed under another master key.
        """
        async with self.database.transaction() as stores:
            await stores.signing_keys.lock()
            keys, at = await stores.signing_keys.all(), self.clock.now()
            waits = waiting(keys, at)
            if waits is not None:
                raise SuccessorWaits(
                    details={"kid": waits.kid, "active_from": f"{waits.active_from:%Y-%m-%dT%H:%M:%SZ}"}
                )
            return await self._rotate(stores, keys, at, reason="command")

    async def if_due(self) -> int:
        """Rotates when the newest key nears the end of its time; returns how many keys were made.

        Raises:
            MasterKeyMismatch: the keys were sealed under another master key.
        """
        async with self.database.statements() as stores:
            if not is_due(await stores.signing_keys.all(), self.clock.now(), self.schedule):
                return 0
        async with self.database.transaction() as stores:
            await stores.signing_keys.lock()
            keys, at = await stores.signing_keys.all(), self.clock.now()
            if not is_due(keys, at, self.schedule):
                return 0
            await self._rotate(stores, keys, at, reason="schedule")
            return 1

    async def _rotate(
        self, stores: Stores, keys: Sequence[SigningKey], at: datetime, *, reason: str
    ) -> Rotation:
        for key in keys:
            self.sealer.check(key)
        successor = self.sealer.generate(at, at + self.schedule.published_for)
        ended = succeeded(keys, successor)
        await stores.signing_keys.add(successor)
        for key in ended:
            await stores.signing_keys.end(key)
        by = Caller(service="auth-service")
        await stores.audit.append(audited(by, at, "auth.key_rotated", kid=successor.kid, reason=reason))
        return Rotation(successor=successor, ended=ended)
