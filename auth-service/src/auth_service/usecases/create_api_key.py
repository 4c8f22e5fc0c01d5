"""Making an API key."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from chassis.clock import Clock
from chassis.errors import Invalid, Unauthenticated
from chassis.identity.caller import Caller
from chassis.ids import uuid7

from auth_service.domain.api_key import KEYS_MAX, LIFETIME_MAX, SCOPES, ApiKey, ApiKeySecrets
from auth_service.domain.audit import audited
from auth_service.domain.errors import TooManyApiKeys
from auth_service.domain.stores import Database


@dataclass(frozen=True, slots=True)
class CreateApiKey:
    """Makes a key for the caller."""

    database: Database
    secrets: ApiKeySecrets
    clock: Clock

    async def __call__(
        self, *, name: str, scopes: Sequence[str], expires_at: datetime | None, caller: Caller
    ) -> tuple[ApiKey, str]:
        """Returns the key as it is kept, and as it is shown this once.

        Raises:
            Invalid: it would have expired already, or would live too long.
            TooManyApiKeys: the caller has `KEYS_MAX` keys.
        """
        user_id, now, drawn = caller.person(), self.clock.now(), self.secrets.draw()
        if expires_at is not None and expires_at <= now:
            raise Invalid.on("expires_at", "is not in the future")
        if expires_at is not None and expires_at > now + LIFETIME_MAX:
            raise Invalid.on("expires_at", "is more than ten years away; leave it out for never")
        key = ApiKey(
            id=uuid7(),
            user_id=user_id,
            name=name,
            scopes=tuple(scope for scope in SCOPES if scope in scopes),
            prefix=drawn.prefix,
            digest=drawn.digest,
            created_at=now,
            expires_at=expires_at,
        )
        async with self.database.transaction() as stores:
            # Whoever makes two at once waits here, so that the count stays true.
            if await stores.credentials.lock(user_id) is None:
                raise Unauthenticated
            if len(await stores.api_keys.of_person(user_id)) >= KEYS_MAX:
                raise TooManyApiKeys
            await stores.api_keys.add(key)
            key_id, told = str(key.id), ",".join(key.scopes)
            entry = audited(caller, now, "auth.api_key_created", key_id=key_id, scopes=told)
            await stores.audit.append(entry)
        return key, drawn.text
