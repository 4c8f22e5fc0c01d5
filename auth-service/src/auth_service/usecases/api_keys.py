"""API keys: creating, listing, revoking and verifying them, and auditing refusals."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from chassis.clock import Clock
from chassis.errors import (
    Forbidden,
    Invalid,
    NotFound,
    TokenExpired,
    TokenInvalid,
    TokenRevoked,
    Unauthenticated,
)
from chassis.identity.caller import Caller
from chassis.ids import uuid7

from auth_service.domain.api_key import (
    ADMIN_SCOPE,
    KEYS_MAX,
    LIFETIME_MAX,
    SCOPES,
    ApiKey,
    ApiKeySecrets,
    KeyHolder,
    found,
)
from auth_service.domain.audit import audited
from auth_service.domain.errors import AdminScopeRefused, TooManyApiKeys
from auth_service.domain.idempotency import IdempotencyRecord
from auth_service.domain.mail import MailKind
from auth_service.domain.rights import RightsRule
from auth_service.domain.unit_of_work import UnitsOfWork
from auth_service.domain.user import Role
from auth_service.domain.verified_email import VerifiedAddressRule
from auth_service.usecases.idempotency import record_outcome, recorded_outcome
from auth_service.usecases.revocation import require_open_session, revoke_session
from auth_service.usecases.undo import notify_with_undo

NOTED_EVERY = timedelta(minutes=1)
"""How often the same refusal of the same key is audited: machines try again and again."""

REMEMBERED_MAX = 10_000


@dataclass(frozen=True, slots=True)
class AuditRefusedKey:
    """Audits the first refusal of its kind of a key in each minute, in this process.

    Attributes:
        noted: When each kind of refusal was audited last, the oldest first.
    """

    units: UnitsOfWork
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
        async with self.units.transaction() as unit:
            await unit.audit.append(entry)
        self.noted[kind] = now
        self.noted.move_to_end(kind)
        if len(self.noted) > REMEMBERED_MAX:
            self.noted.popitem(last=False)


@dataclass(frozen=True, slots=True)
class ReportRefusedKey:
    """Audits what another service refused a key."""

    units: UnitsOfWork
    audit_refused_key: AuditRefusedKey

    async def __call__(self, *, key_id: UUID, method: str, caller: Caller) -> None:
        """Returns when it is audited; of a key that is not there any more, nothing is."""
        async with self.units.statements() as unit:
            key = await unit.api_keys.by_id(key_id)
        if key is not None:
            await self.audit_refused_key(key=key, reason=Forbidden.reason, caller=caller, method=method)


@dataclass(frozen=True, slots=True)
class VerifyApiKey:
    """Says what a key lets its bearer do now, by what Postgres says, and notes that it was used."""

    units: UnitsOfWork
    secrets: ApiKeySecrets
    rights_of: RightsRule
    audit_refused_key: AuditRefusedKey

    async def __call__(self, *, text: str, caller: Caller) -> KeyHolder:
        """Returns the key with what its user may do now.

        Args:
            text: The key.
            caller: Who sent it, as far as that is known, for the audit of a refusal.

        Raises:
            TokenInvalid: there is no such key.
            TokenExpired: it has lived its time.
            TokenRevoked: it was revoked, or its user is deactivated.
        """
        prefix = self.secrets.prefix(text)
        if prefix is None:
            raise TokenInvalid
        async with self.units.statements() as unit:
            holder = found(await unit.api_keys.find(prefix), text, self.secrets)
            try:
                holder.check()
            except (TokenExpired, TokenRevoked) as refused:
                refusal = refused
            else:
                digest = self.secrets.digest(text)
                if digest != holder.key.digest:  # It was made with another master key.
                    await unit.api_keys.keep_digest(holder.key.id, digest)
                if holder.use_is_news:
                    await unit.api_keys.note_use(holder.key.id)
                rights = self.rights_of(holder.role, guarded=holder.guarded)
                return replace(holder, role=rights.role, must_enrol=rights.must_enrol)
        await self.audit_refused_key(key=holder.key, reason=refusal.reason, caller=caller)
        raise refusal


@dataclass(frozen=True, slots=True)
class CreateApiKey:
    """Makes a key for the caller."""

    units: UnitsOfWork
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
        idempotency: IdempotencyRecord | None = None,
    ) -> tuple[ApiKey, str]:
        """Returns the key as it is kept, and as it is shown this once.

        Args:
            name: What its user calls it.
            scopes: What it may do.
            expires_at: When it ends; None for never.
            caller: Its user.
            idempotency: By which the call is known when it is made again; if it made a key and its
                answer was lost, it is given that key.

        Raises:
            EmailNotVerified: the address has to be proven first.
            Invalid: it would have expired already, or would live too long.
            AdminScopeRefused: it is to do what only admins may, and the caller is none.
            TooManyApiKeys: the caller has `KEYS_MAX` keys.
            NotFound: the attempt has made it, and it was deleted since.
        """
        user_id, now = caller.person(), self.clock.now()
        drawn = self.secrets.draw(idempotency)
        made = recorded_outcome(idempotency)
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
        async with self.units.transaction() as unit:
            # Whoever makes two at once waits here, so that the count stays true.
            credential = await unit.credentials.lock(user_id)
            if credential is None:
                raise Unauthenticated
            if ADMIN_SCOPE in key.scopes and credential.role is not Role.ADMIN:
                raise AdminScopeRefused
            self.address_rule.check(credential)
            await require_open_session(unit, caller)
            if len(await unit.api_keys.of_user(user_id)) >= KEYS_MAX:
                raise TooManyApiKeys
            await unit.api_keys.add(key)
            await record_outcome(unit, idempotency, key.id)
            await notify_with_undo(unit, MailKind.API_KEY_CREATED, user_id, credential.email)
            key_id, told = str(key.id), ",".join(key.scopes)
            entry = audited(caller, now, "auth.api_key_created", key_id=key_id, scopes=told)
            await unit.audit.append(entry)
        return key, drawn.text

    async def _made(self, key_id: UUID) -> ApiKey:
        async with self.units.statements() as unit:
            key = await unit.api_keys.by_id(key_id)
        if key is None or key.revoked_at is not None:
            raise NotFound
        return key


@dataclass(frozen=True, slots=True)
class ListApiKeys:
    """Lists the caller's keys that were not revoked."""

    units: UnitsOfWork

    async def __call__(self, *, caller: Caller) -> Sequence[ApiKey]:
        """Returns them, the newest first."""
        async with self.units.statements() as unit:
            return await unit.api_keys.of_user(caller.person())


@dataclass(frozen=True, slots=True)
class RevokeApiKey:
    """Revokes a key of the caller."""

    units: UnitsOfWork
    clock: Clock

    async def __call__(self, *, key_id: UUID, caller: Caller) -> None:
        """Returns when it is good no more.

        Raises:
            NotFound: the caller has no such key, or it is revoked already.
        """
        async with self.units.transaction() as unit:
            if not await unit.api_keys.revoke(key_id, caller.person()):
                raise NotFound
            # Whoever remembers the key hears of it as of a session's end.
            await revoke_session(unit, key_id)
            await unit.mails.queue(MailKind.API_KEY_REVOKED, caller.person())
            entry = audited(caller, self.clock.now(), "auth.api_key_revoked", key_id=str(key_id))
            await unit.audit.append(entry)
