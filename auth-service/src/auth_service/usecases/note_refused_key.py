"""Auditing that an API key was refused."""

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from chassis.clock import Clock
from chassis.errors import Forbidden
from chassis.identity.caller import Caller

from auth_service.domain.api_key import ApiKey
from auth_service.domain.audit import audited
from auth_service.domain.stores import Database

NOTED_EVERY = timedelta(minutes=1)
"""How often the same refusal of the same key is audited: machines try again and again."""

REMEMBERED_MAX = 10_000


@dataclass(frozen=True, slots=True)
class NoteRefusedKey:
    """Audits the first refusal of its kind of a key in each minute, in this process.

    Attributes:
        noted: When each kind of refusal was audited last, the oldest first.
    """

    database: Database
    clock: Clock
    noted: OrderedDict[tuple[UUID, str, str], datetime] = field(default_factory=OrderedDict)

    async def __call__(self, *, key: ApiKey, reason: str, caller: Caller, method: str = "") -> None:
        """Writes an entry, unless the same was written within `NOTED_EVERY`.

        Args:
            key: The key, which its bearer has proved to have.
            reason: The error's reason.
            caller: Who sent it.
            method: What it was refused; empty when it is refused whatever it calls.
        """
        now, kind = self.clock.now(), (key.id, reason, method)
        last = self.noted.get(kind)
        if last is not None and now - last < NOTED_EVERY:
            return
        entry = audited(
            caller,
            now,
            "auth.api_key_refused",
            "refused",
            actor_id=key.user_id,
            key_id=str(key.id),
            reason=reason,
            method=method or "any",
        )
        async with self.database.transaction() as stores:
            await stores.audit.append(entry)
        self.noted[kind] = now
        self.noted.move_to_end(kind)
        if len(self.noted) > REMEMBERED_MAX:
            self.noted.popitem(last=False)


@dataclass(frozen=True, slots=True)
class ReportRefusedKey:
    """Audits what another service refused a key."""

    database: Database
    note_refused_key: NoteRefusedKey

    async def __call__(self, *, key_id: UUID, method: str, caller: Caller) -> None:
        """Returns when it is audited; of a key that is not there any more, nothing is."""
        async with self.database.statements() as stores:
            key = await stores.api_keys.by_id(key_id)
        if key is not None:
            await self.note_refused_key(key=key, reason=Forbidden.reason, caller=caller, method=method)
