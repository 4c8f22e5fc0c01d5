"""Making an API key."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.clock import Clock
from chassis.errors import Invalid, NotFound, Unauthenticated
from chassis.identity.caller import Caller
from chassis.ids import uuid7

from auth_service.domain.api_key import ADMIN_SCOPE, KEYS_MAX, LIFETIME_MAX, SCOPES, ApiKey, ApiKeySecrets
from auth_service.domain.audit import audited
from auth_service.domain.credential import Role
from auth_service.domain.errors import AdminScopeRefused, TooManyApiKeys
from auth_service.domain.idempotency import Attempt
from auth_service.domain.mail import MailKind
from auth_service.domain.stores import Database
from auth_service.domain.verified_address import VerifiedAddressRule
from auth_service.usecases.notify import notify_with_undo
from auth_service.usecases.revoking import require_open_session
from auth_service.usecases.settling import outcome_of, settle


@dataclass(frozen=True, slots=True)
class CreateApiKey:
    """Makes a key for the caller."""

    database: Database
    secrets: ApiKeySecrets
    address_rule: VerifiedAddressRule
    clock: Clock

    async def __call__(
        self,
        *,
        name: str,
        scopes: Sequence[str],
        expires_at: datetime | None,
        caller: Caller,
        attempt: Attempt | None = None,
    ) -> tuple[ApiKey, str]:
        """Returns the key as it is kept, and as it is shown this once.

        Args:
            name: What its person calls it.
            scopes: What it may do.
            expires_at: When it ends; None for never.
            caller: Its person.
            attempt: By which the call is known when it is made again; if it made a key and its
                answer was lost, it is given that key.

        Raises:
            EmailNotVerified: the address has to be proven first.
            Invalid: it would have expired already, or would live too long.
            AdminScopeRefused: it is to do what only admins may, and the caller is none.
            TooManyApiKeys: the caller has `KEYS_MAX` keys.
            NotFound: the attempt has made it, and it was deleted since.
        """
        user_id, now = caller.person(), self.clock.now()
        drawn = self.secrets.draw(attempt)
        made = outcome_of(attempt)
        if made is not None:
            return await self._made(made), drawn.text
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
            credential = await stores.credentials.lock(user_id)
            if credential is None:
                raise Unauthenticated
            if ADMIN_SCOPE in key.scopes and credential.role is not Role.ADMIN:
                raise AdminScopeRefused
            self.address_rule.check(credential)
            await require_open_session(stores, caller)
            if len(await stores.api_keys.of_person(user_id)) >= KEYS_MAX:
                raise TooManyApiKeys
            await stores.api_keys.add(key)
            await settle(stores, attempt, key.id)
            await notify_with_undo(stores, MailKind.API_KEY_CREATED, user_id, credential.email)
            key_id, told = str(key.id), ",".join(key.scopes)
            entry = audited(caller, now, "auth.api_key_created", key_id=key_id, scopes=told)
            await stores.audit.append(entry)
        return key, drawn.text

    async def _made(self, key_id: UUID) -> ApiKey:
        async with self.database.statements() as stores:
            key = await stores.api_keys.by_id(key_id)
        if key is None or key.revoked_at is not None:
            raise NotFound
        return key
