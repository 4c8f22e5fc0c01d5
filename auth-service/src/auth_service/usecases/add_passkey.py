"""Adding a passkey."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chassis.clock import Clock
from chassis.errors import Invalid, NotFound, ServiceError, Unauthenticated
from chassis.identity.caller import Caller
from chassis.ids import uuid7

from auth_service.domain.audit import audited
from auth_service.domain.errors import EmailNotVerified, PasskeyRegistered, TooManyPasskeys
from auth_service.domain.idempotency import Attempt
from auth_service.domain.mail import MailKind
from auth_service.domain.passkey import (
    PASSKEYS_MAX,
    Ceremony,
    Challenge,
    NewPasskey,
    Passkey,
    RelyingParty,
    digest_of,
)
from auth_service.domain.stores import Database
from auth_service.domain.verified_address import VerifiedAddressRule
from auth_service.usecases.notify import notify_with_undo
from auth_service.usecases.revoking import require_open_session
from auth_service.usecases.settling import outcome_of, settle

ACTION = "auth.passkey_added"


@dataclass(frozen=True, slots=True)
class AddPasskey:
    """Keeps a passkey that answers the challenge of the same person's same session."""

    database: Database
    relying_party: RelyingParty
    address_rule: VerifiedAddressRule
    clock: Clock

    async def __call__(
        self, *, name: str, attestation: Mapping[str, Any], caller: Caller, attempt: Attempt | None = None
    ) -> Passkey:
        """Returns the passkey, the same one when the attempt has added it before.

        Raises:
            Invalid: the attestation is malformed, forged, of another origin, or late.
            EmailNotVerified: the address has to be proven first.
            PasskeyRegistered: somebody has it already.
            TooManyPasskeys: the person has `PASSKEYS_MAX`.
            NotFound: the attempt has added it, and it was removed since.
        """
        added = outcome_of(attempt)
        if added is not None:
            return await self._added(added, caller)
        try:
            made = await self._made(attestation, caller)
            return await self._keep(name, made, caller, attempt)
        except (Invalid, EmailNotVerified, PasskeyRegistered, TooManyPasskeys) as refusal:
            await self._note_refusal(refusal, caller)
            raise

    async def _made(self, attestation: Mapping[str, Any], caller: Caller) -> NewPasskey:
        answered = self.relying_party.challenge_in(attestation)
        challenge = Challenge(
            digest=digest_of(answered),
            ceremony=Ceremony.REGISTRATION,
            user_id=caller.person(),
            session_id=caller.session_id,
        )
        async with self.database.transaction() as stores:
            is_open = await stores.passkeys.spend_challenge(challenge)
        if not is_open:
            raise Invalid.on("credential", "answers no open challenge; ask for new options")
        return self.relying_party.attested(attestation, answered)

    async def _added(self, passkey_id: UUID, caller: Caller) -> Passkey:
        async with self.database.statements() as stores:
            passkeys = await stores.passkeys.of_person(caller.person())
        for passkey in passkeys:
            if passkey.id == passkey_id:
                return passkey
        raise NotFound  # It was removed again since.

    async def _keep(self, name: str, made: NewPasskey, caller: Caller, attempt: Attempt | None) -> Passkey:
        user_id = caller.person()
        async with self.database.transaction() as stores:
            credential = await stores.credentials.lock(user_id)
            if credential is None:
                raise Unauthenticated
            self.address_rule.check(credential)
            await require_open_session(stores, caller)
            if len(await stores.passkeys.of_person(user_id)) >= PASSKEYS_MAX:
                raise TooManyPasskeys
            passkey = await stores.passkeys.add(uuid7(), user_id, name, made)
            await settle(stores, attempt, passkey.id)
            await notify_with_undo(stores, MailKind.PASSKEY_ADDED, user_id, credential.email)
            entry = audited(caller, self.clock.now(), ACTION, passkey_id=str(passkey.id))
            await stores.audit.append(entry)
        return passkey

    async def _note_refusal(self, refusal: ServiceError, caller: Caller) -> None:
        entry = audited(caller, self.clock.now(), ACTION, "refused", reason=refusal.reason)
        async with self.database.transaction() as stores:
            await stores.audit.append(entry)
