"""API keys: creating, listing, revoking and verifying them, and auditing refusals."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import field, replace
from datetime import datetime, timedelta
from uuid import UUID

from chassis.clock import Clock
from chassis.component import Component
from chassis.dataclass import dataclass
from chassis.errors import (
    Forbidden,
    Invalid,
    NotFound,
    TokenExpired,
    TokenInvalid,
    TokenRevoked,
    Unauthenticated,
)
from chassis.idempotency.record import IdempotencyRecord
from chassis.idempotency.run_once import record_outcome, recorded_outcome
from chassis.identity.caller import Caller
from chassis.identity.role import Role
from chassis.ids import uuid7

from auth_service.domain.api_key import (
    ADMIN_SCOPE,
    KEYS_MAX,
    LIFETIME_MAX,
    SCOPES,
    ApiKey,
    ApiKeySecrets,
    KeyHolder,
    verified_holder,
)
from auth_service.domain.audit import audited
from auth_service.domain.errors import AdminScopeRefused, TooManyApiKeys
from auth_service.domain.mail import MailKind
from auth_service.domain.rights import RightsRule
from auth_service.domain.unit_of_work import UnitsOfWork
from auth_service.domain.verified_email import VerifiedAddressRule
from auth_service.usecases.enrolment import require_open_session
from auth_service.usecases.revocation import revoke_session
from auth_service.usecases.undo import notify_with_undo

NOTED_EVERY = timedelta(minutes=1)
"""How often the same refusal of the same key is audited, since machines keep retrying."""

REMEMBERED_MAX = 10_000


@dataclass(frozen=True, slots=True)
class AuditRefusedKey:
    """Audits each kind of refusal of a key once per `NOTED_EVERY` and process.

    Attributes:
        noted: When each kind was audited last, the oldest first.
    """

    units: UnitsOfWork
    clock: Clock
    noted: OrderedDict[tuple[UUID, str, str], datetime] = field(default_factory=OrderedDict)

    async def __call__(self, *, key: ApiKey, reason: str, caller: Caller, method: str = "") -> None:
        """Appends an entry, unless one of its kind was appended within `NOTED_EVERY`.

        Args:
            key: The key, which the caller has proved to have.
            reason: The error's reason.
            caller: Who sent it.
            method: The refused method; empty if every method is refused.
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
        # Before it is written, so that requests beside each other write one.
        self.noted[kind] = now
        self.noted.move_to_end(kind)
        if len(self.noted) > REMEMBERED_MAX:
            self.noted.popitem(last=False)
        try:
            async with self.units.transaction() as unit:
                await unit.audit.append(entry)
        except BaseException:
            self.noted.pop(kind, None)
            raise


class ReportRefusedKey(Component):
    """Audits that another service refused a key."""

    units: UnitsOfWork
    audit_refused_key: AuditRefusedKey

    async def __call__(self, *, key_id: UUID, method: str, caller: Caller) -> None:
        """Audits the refusal, unless the key is deleted."""
        async with self.units.statements() as unit:
            key = await unit.api_keys.by_id(key_id)
        if key is not None:
            await self.audit_refused_key(key=key, reason=Forbidden.reason, caller=caller, method=method)


class VerifyApiKey(Component):
    """Verifies a key against Postgres, and records its use."""

    units: UnitsOfWork
    secrets: ApiKeySecrets
    rights_of: RightsRule
    audit_refused_key: AuditRefusedKey

    async def __call__(self, *, text: str, caller: Caller) -> KeyHolder:
        """Returns the key with its user's current rights.

        Args:
            text: The key.
            caller: Who sent it, as far as known, for the audit of a refusal.

        Raises:
            TokenInvalid: no such key.
            TokenExpired: it has expired.
            TokenRevoked: it was revoked, or its user is deactivated.
        """
        prefix = self.secrets.prefix(text)
        if prefix is None:
            raise TokenInvalid
        async with self.units.statements() as unit:
            holder = verified_holder(await unit.api_keys.find(prefix), text, self.secrets)
            try:
                holder.check()
            except (TokenExpired, TokenRevoked) as refused:
                refusal = refused
            else:
                digest = self.secrets.digest(text)
                if digest != holder.key.digest:  # It was made with a former master key.
                    await unit.api_keys.keep_digest(holder.key.id, digest)
                if holder.is_use_due:
                    await unit.api_keys.note_use(holder.key.id)
                rights = self.rights_of(holder.role, has_two_factors=holder.has_two_factors)
                return replace(holder, role=rights.role, must_enrol=rights.must_enrol)
        await self.audit_refused_key(key=holder.key, reason=refusal.reason, caller=caller)
        raise refusal


class CreateApiKey(Component):
    """Creates a key for the caller."""

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
        """Returns the key as it is stored, and its text, which is shown only now.

        Args:
            name: The user's name for it.
            scopes: What it may do.
            expires_at: None for never.
            caller: Its user.
            idempotency: The call's record; a retry gets the key that was created.

        Raises:
            EmailNotVerified: the address has to be verified first.
            Invalid: the expiry is in the past, or too late.
            AdminScopeRefused: the scope `admin` is requested by a caller who is no admin.
            TooManyApiKeys: the caller has `KEYS_MAX` keys.
            NotFound: it was created by this call, and deleted since.
        """
        user_id, now = caller.require_user_id(), self.clock.now()
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
            # The lock makes concurrent calls wait, so that the count is right.
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
            scopes_text = ",".join(key.scopes)
            entry = audited(caller, now, "auth.api_key_created", key_id=str(key.id), scopes=scopes_text)
            await unit.audit.append(entry)
        return key, drawn.text

    async def _made(self, key_id: UUID) -> ApiKey:
        async with self.units.statements() as unit:
            key = await unit.api_keys.by_id(key_id)
        if key is None or key.revoked_at is not None:
            raise NotFound
        return key


class ListApiKeys(Component):
    """Lists the caller's keys that are not revoked."""

    units: UnitsOfWork

    async def __call__(self, *, caller: Caller) -> Sequence[ApiKey]:
        """Returns them, the newest first."""
        async with self.units.statements() as unit:
            return await unit.api_keys.of_user(caller.require_user_id())


class RevokeApiKey(Component):
    """Revokes a key of the caller."""

    units: UnitsOfWork
    clock: Clock

    async def __call__(self, *, key_id: UUID, caller: Caller) -> None:
        """Revokes it.

        Raises:
            NotFound: the caller has no such key, or it is revoked already.
        """
        user_id = caller.require_user_id()
        async with self.units.transaction() as unit:
            await unit.credentials.lock(user_id)
            if not await unit.api_keys.revoke(key_id, user_id):
                raise NotFound
            # Services that have the key cached drop it by the same event as a session.
            await revoke_session(unit, key_id)
            await unit.mails.queue(MailKind.API_KEY_REVOKED, user_id)
            entry = audited(caller, self.clock.now(), "auth.api_key_revoked", key_id=str(key_id))
            await unit.audit.append(entry)
