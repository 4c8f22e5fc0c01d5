"""Signing keys: creating, rotating, retiring, listing and publishing them."""

from collections.abc import Sequence
from datetime import datetime

from chassis.clock import Clock
from chassis.component import Component
from chassis.dataclass import dataclass
from chassis.identity.caller import Caller

from auth_service.domain.audit import audited
from auth_service.domain.errors import SuccessorWaits
from auth_service.domain.signing_key import (
    KeySealer,
    KeyState,
    PublishedKeys,
    RetiredKey,
    Schedule,
    SigningKey,
    is_due,
    retired,
    state,
    succeeded,
    waiting,
)
from auth_service.domain.unit_of_work import UnitOfWork, UnitsOfWork


class EnsureSigningKey(Component):
    """Creates the first key if there is none. Of several instances that start at once, one does."""

    units: UnitsOfWork
    sealer: KeySealer
    clock: Clock

    async def __call__(self) -> None:
        """Creates it if necessary, and checks that all keys can be opened.

        Raises:
            MasterKeyMismatch: the keys were sealed under another master key.
        """
        async with self.units.transaction() as unit:
            await unit.signing_keys.lock()
            keys = await unit.signing_keys.all()
            if not keys:
                await unit.signing_keys.add(self.sealer.generate(self.clock.now()))
        for key in keys:
            self.sealer.check(key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """The result of a rotation.

    Attributes:
        successor: The new key.
        ended: The keys that it succeeds, each with the time of its end.
    """

    successor: SigningKey
    ended: Sequence[SigningKey]


class RotateSigningKey(Component):
    """Publishes a successor; its times decide the rest. Of several instances, one does it."""

    units: UnitsOfWork
    sealer: KeySealer
    schedule: Schedule
    clock: Clock

    async def __call__(self) -> Rotation:
        """Rotates now, whatever the schedule says.

        Raises:
            SuccessorWaits: the next key is published and does not sign yet.
            MasterKeyMismatch: the keys were sealed under another master key.
        """
        async with self.units.transaction() as unit:
            await unit.signing_keys.lock()
            keys, at = await unit.signing_keys.all(), self.clock.now()
            waits = waiting(keys, at)
            if waits is not None:
                raise SuccessorWaits(
                    details={"kid": waits.kid, "active_from": f"{waits.active_from:%Y-%m-%dT%H:%M:%SZ}"}
                )
            return await self._rotate(unit, keys, at, reason="command")

    async def if_due(self) -> int:
        """Rotates if the schedule says so; returns how many keys were created.

        Raises:
            MasterKeyMismatch: the keys were sealed under another master key.
        """
        async with self.units.statements() as unit:
            if not is_due(await unit.signing_keys.all(), self.clock.now(), self.schedule):
                return 0
        async with self.units.transaction() as unit:
            await unit.signing_keys.lock()
            keys, at = await unit.signing_keys.all(), self.clock.now()
            if not is_due(keys, at, self.schedule):
                return 0
            await self._rotate(unit, keys, at, reason="schedule")
            return 1

    async def _rotate(
        self, unit: UnitOfWork, keys: Sequence[SigningKey], at: datetime, *, reason: str
    ) -> Rotation:
        for key in keys:
            self.sealer.check(key)
        successor = self.sealer.generate(at, at + self.schedule.published_for)
        ended = succeeded(keys, successor)
        await unit.signing_keys.add(successor)
        for key in ended:
            await unit.signing_keys.end(key)
        by = Caller(service="auth-service")
        await unit.audit.append(audited(by, at, "auth.key_rotated", kid=successor.kid, reason=reason))
        return Rotation(successor=successor, ended=ended)


class RetireSigningKeys(Component):
    """Deletes the private halves of keys that are over, and keeps the public ones."""

    units: UnitsOfWork
    sealer: KeySealer
    clock: Clock

    async def __call__(self) -> int:
        """Returns how many keys were retired.

        Raises:
            MasterKeyMismatch: the keys were sealed under another master key.
        """
        async with self.units.statements() as unit:
            if not retired(await unit.signing_keys.all(), self.clock.now()):
                return 0
        async with self.units.transaction() as unit:
            await unit.signing_keys.lock()
            at = self.clock.now()
            over = retired(await unit.signing_keys.all(), at)
            for key in over:
                await unit.signing_keys.retire(
                    RetiredKey(
                        kid=key.kid,
                        x=key.x,
                        y=key.y,
                        attestation=self.sealer.attest(key),
                        published_at=key.published_at,
                        active_from=key.active_from,
                        removed_from=key.removed_from or at,
                    )
                )
            for key in over:
                entry = audited(Caller(service="auth-service"), at, "auth.key_retired", kid=key.kid)
                await unit.audit.append(entry)
            return len(over)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedKey:
    """A key as operators see it, without its private half."""

    kid: str
    state: KeyState
    published_at: datetime
    active_from: datetime
    removed_from: datetime | None


class ListSigningKeys(Component):
    """Lists every key, retired ones included."""

    units: UnitsOfWork
    clock: Clock

    async def __call__(self) -> Sequence[ListedKey]:
        """Returns the keys, the oldest first."""
        async with self.units.statements() as unit:
            keys = await unit.signing_keys.all()
            over = await unit.signing_keys.retired()
        now, gone = self.clock.now(), {key.kid for key in over}
        states: list[tuple[SigningKey | RetiredKey, KeyState]] = [(key, KeyState.RETIRED) for key in over]
        states += [(key, state(key, keys, now)) for key in keys if key.kid not in gone]
        return [
            ListedKey(
                kid=key.kid,
                state=key_state,
                published_at=key.published_at,
                active_from=key.active_from,
                removed_from=key.removed_from,
            )
            for key, key_state in states
        ]


class GetJwks(Component):
    """Returns the published keys."""

    keys: PublishedKeys

    async def __call__(self) -> Sequence[SigningKey]:
        """Returns them, the newest first."""
        return self.keys.published()
