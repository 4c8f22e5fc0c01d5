"""The signing keys, for operators."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from chassis.clock import Clock

from auth_service.domain.signing_key import KeyState, RetiredKey, SigningKey, state
from auth_service.domain.stores import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedKey:
    """A key as operators see it: nothing of its private half."""

    kid: str
    state: KeyState
    published_at: datetime
    active_from: datetime
    removed_from: datetime | None


@dataclass(frozen=True, slots=True)
class ListSigningKeys:
    """Lists every key there ever was."""

    database: Database
    clock: Clock

    async def __call__(self) -> Sequence[ListedKey]:
        """Returns the keys, the oldest first."""
        async with self.database.statements() as stores:
            keys = await stores.signing_keys.all()
            over = await stores.signing_keys.retired()
        now, gone = self.clock.now(), {key.kid for key in over}
        states: list[tuple[SigningKey | RetiredKey, KeyState]] = [(key, KeyState.RETIRED) for key in over]
        states += [(key, state(key, keys, now)) for key in keys if key.kid not in gone]
        return [
            ListedKey(
                kid=key.kid,
                state=stands,
                published_at=key.published_at,
                active_from=key.active_from,
                removed_from=key.removed_from,
            )
            for key, stands in states
        ]
