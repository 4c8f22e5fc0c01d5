"""Passkeys: adding, listing and removing them."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from chassis.clock import Clock
from chassis.component import Component
from chassis.errors import Invalid, NotFound, ServiceError
from chassis.idempotency.record import IdempotencyRecord
from chassis.idempotency.run_once import record_outcome, recorded_outcome
from chassis.identity.caller import Caller
from chassis.ids import uuid7

from auth_service.domain.audit import audited
from auth_service.domain.errors import EmailNotVerified, PasskeyRegistered, TooManyPasskeys
from auth_service.domain.mail import MailKind
from auth_service.domain.passkey import (
    CHALLENGE_LIFETIME,
    PASSKEYS_MAX,
    Ceremony,
    Challenge,
    NewPasskey,
    Passkey,
    RelyingParty,
    digest_of,
)
from auth_service.domain.password import WRONG
from auth_service.domain.rights import RightsRule
from auth_service.domain.unit_of_work import UnitsOfWork
from auth_service.domain.verified_email import VerifiedAddressRule
from auth_service.usecases.enrolment import lock_for_enrolment
from auth_service.usecases.password_check import VerifyPassword
from auth_service.usecases.revocation import revoke_lost_rights
from auth_service.usecases.undo import notify_with_undo

ACTION = "auth.passkey_added"


class BeginPasskey(Component):
    """Opens a challenge; needs the password, so that a stolen session cannot add a way in."""

    units: UnitsOfWork
    relying_party: RelyingParty
    verify_password: VerifyPassword
    address_rule: VerifiedAddressRule

    async def __call__(self, *, password: str, caller: Caller) -> Mapping[str, Any]:
        """Returns the options for the browser.

        Raises:
            Invalid: the password is wrong.
            EmailNotVerified: the address has to be verified first.
            TooManyAttempts: the client has failed at this account too often.
            TooManyPasskeys: the user has `PASSKEYS_MAX`.
        """
        user_id = caller.require_user_id()
        if not await self.verify_password(user_id=user_id, password=password, caller=caller):
            raise Invalid.on("password", WRONG)
        fresh = self.relying_party.challenge()
        challenge = Challenge(
            digest=digest_of(fresh),
            ceremony=Ceremony.REGISTRATION,
            user_id=user_id,
            session_id=caller.session_id,
        )
        async with self.units.transaction() as unit:
            credential = await lock_for_enrolment(unit, caller, self.address_rule)
            known = await unit.passkeys.of_user(user_id)
            if len(known) >= PASSKEYS_MAX:
                raise TooManyPasskeys
            await unit.passkeys.open_challenge(challenge, CHALLENGE_LIFETIME)
        account = credential.email or str(user_id)
        return self.relying_party.registration_options(user_id, account, fresh, known)


class AddPasskey(Component):
    """Stores a passkey that answers the challenge of this user and session."""

    units: UnitsOfWork
    relying_party: RelyingParty
    address_rule: VerifiedAddressRule
    clock: Clock

    async def __call__(
        self,
        *,
        name: str,
        attestation: Mapping[str, Any],
        caller: Caller,
        idempotency: IdempotencyRecord | None = None,
    ) -> Passkey:
        """Returns the passkey; for a retry, the one that was added.

        Raises:
            Invalid: the attestation is malformed, forged, of another origin, or late.
            EmailNotVerified: the address has to be verified first.
            PasskeyRegistered: it is registered, for this user or another.
            TooManyPasskeys: the user has `PASSKEYS_MAX`.
            NotFound: it was added by this call, and removed since.
        """
        added = recorded_outcome(idempotency)
        if added is not None:
            return await self._added(added, caller)
        try:
            made = await self._made(attestation, caller)
            return await self._keep(name, made, caller, idempotency)
        except (Invalid, EmailNotVerified, PasskeyRegistered, TooManyPasskeys) as refusal:
            await self._audit_refusal(refusal, caller)
            raise

    async def _made(self, attestation: Mapping[str, Any], caller: Caller) -> NewPasskey:
        answered = self.relying_party.challenge_in(attestation)
        challenge = Challenge(
            digest=digest_of(answered),
            ceremony=Ceremony.REGISTRATION,
            user_id=caller.require_user_id(),
            session_id=caller.session_id,
        )
        async with self.units.transaction() as unit:
            is_open = await unit.passkeys.spend_challenge(challenge)
        if not is_open:
            raise Invalid.on("credential", "answers no open challenge; ask for new options")
        return self.relying_party.attested(attestation, answered)

    async def _added(self, passkey_id: UUID, caller: Caller) -> Passkey:
        async with self.units.statements() as unit:
            passkeys = await unit.passkeys.of_user(caller.require_user_id())
        for passkey in passkeys:
            if passkey.id == passkey_id:
                return passkey
        raise NotFound  # It was removed since.

    async def _keep(
        self, name: str, made: NewPasskey, caller: Caller, idempotency: IdempotencyRecord | None
    ) -> Passkey:
        user_id = caller.require_user_id()
        async with self.units.transaction() as unit:
            credential = await lock_for_enrolment(unit, caller, self.address_rule)
            if len(await unit.passkeys.of_user(user_id)) >= PASSKEYS_MAX:
                raise TooManyPasskeys
            passkey = await unit.passkeys.add(uuid7(), user_id, name, made)
            await record_outcome(unit, idempotency, passkey.id)
            await notify_with_undo(unit, MailKind.PASSKEY_ADDED, user_id, credential.email)
            entry = audited(caller, self.clock.now(), ACTION, passkey_id=str(passkey.id))
            await unit.audit.append(entry)
        return passkey

    async def _audit_refusal(self, refusal: ServiceError, caller: Caller) -> None:
        entry = audited(caller, self.clock.now(), ACTION, "refused", reason=refusal.reason)
        async with self.units.transaction() as unit:
            await unit.audit.append(entry)


class ListPasskeys(Component):
    """Lists the caller's passkeys."""

    units: UnitsOfWork

    async def __call__(self, *, caller: Caller) -> Sequence[Passkey]:
        """Returns them, the oldest first."""
        async with self.units.statements() as unit:
            return await unit.passkeys.of_user(caller.require_user_id())


class RemovePasskey(Component):
    """Deletes a passkey; needs the password."""

    units: UnitsOfWork
    verify_password: VerifyPassword
    rights_of: RightsRule
    clock: Clock

    async def __call__(self, *, passkey_id: UUID, password: str, caller: Caller) -> None:
        """Deletes it.

        Raises:
            Invalid: the password is wrong.
            TooManyAttempts: the client has failed at this account too often.
            NotFound: the user has no such passkey.
        """
        user_id = caller.require_user_id()
        if not await self.verify_password(user_id=user_id, password=password, caller=caller):
            raise Invalid.on("password", WRONG)
        async with self.units.transaction() as unit:
            credential = await unit.credentials.lock(user_id)
            if credential is None or not await unit.passkeys.remove(passkey_id, user_id):
                raise NotFound
            if not credential.second_factor:
                await revoke_lost_rights(unit, credential, self.rights_of)
            await unit.mails.queue(MailKind.PASSKEY_REMOVED, user_id)
            entry = audited(caller, self.clock.now(), "auth.passkey_removed", passkey_id=str(passkey_id))
            await unit.audit.append(entry)
