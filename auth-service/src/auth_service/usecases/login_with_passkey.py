"""Signing in with a passkey."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chassis.clock import Clock
from chassis.errors import ServiceError
from chassis.identity.caller import Caller
from chassis.ids import uuid7

from auth_service.domain import proof
from auth_service.domain.audit import audited
from auth_service.domain.errors import AccountDisabled, NotAdmittedYet, PasskeyRefused
from auth_service.domain.events import SignedIn
from auth_service.domain.idempotency import Attempt
from auth_service.domain.passkey import (
    Assertion,
    Ceremony,
    Challenge,
    Passkey,
    RelyingParty,
    Signed,
    digest_of,
    has_gone_back,
)
from auth_service.domain.ports import GuessKeys
from auth_service.domain.session import Standing
from auth_service.domain.stores import Database
from auth_service.domain.tokens import Tokens
from auth_service.usecases.issue_tokens import IssueTokens
from auth_service.usecases.settling import outcome_of, settle, tokens_again


@dataclass(frozen=True, slots=True)
class LoginWithPasskey:
    """Opens a session for whoever has a passkey and has shown the authenticator who they are.

    That is two factors at once, so no second step follows. What is wrong with a passkey that
    is refused is told to the audit trail alone.
    """

    database: Database
    relying_party: RelyingParty
    guess_keys: GuessKeys
    issue_tokens: IssueTokens
    clock: Clock

    async def __call__(
        self, *, assertion: Mapping[str, Any], caller: Caller, attempt: Attempt | None = None
    ) -> Tokens:
        """Returns the session's tokens, the same session's when the attempt opened one before.

        Raises:
            Invalid: the assertion is malformed.
            PasskeyRefused: it is for another origin or challenge, was used, is of no passkey
                that we know, not signed by it, or of a copy of it.
            AccountDisabled: the right passkey of a deactivated account.
        """
        opened = outcome_of(attempt)
        if opened is not None:
            return await tokens_again(self.database, self.issue_tokens, opened)
        told = self.relying_party.assertion(assertion)
        challenge = Challenge(digest=digest_of(told.challenge), ceremony=Ceremony.SIGN_IN)
        async with self.database.transaction() as stores:
            is_open = await stores.passkeys.spend_challenge(challenge)
            passkey = await stores.passkeys.by_credential_id(told.credential_id)
        signed = self.relying_party.signed(assertion, told.challenge, passkey)
        try:
            owned = _judge(told, passkey, signed, is_open=is_open)
            standing = await self._open_session(*owned, caller, attempt)
        except (PasskeyRefused, AccountDisabled) as refusal:
            await self._note_refusal(refusal, passkey, caller)
            raise
        return self.issue_tokens(standing)

    async def _open_session(
        self, passkey: Passkey, signed: Signed, caller: Caller, attempt: Attempt | None
    ) -> Standing:
        async with self.database.transaction() as stores:
            credential = await stores.credentials.lock(passkey.user_id)
            if credential is None:
                raise PasskeyRefused("NO_SUCH_PASSKEY")
            if not credential.is_active:
                raise AccountDisabled
            if credential.is_pending:
                raise NotAdmittedYet
            # Compared once more where it is written: of two copies at the same time one is late.
            if not await stores.passkeys.use(passkey.id, signed):
                raise PasskeyRefused("COUNTER_WENT_BACK")
            # Signing in forgives wrong passwords; who is blocked for them is not kept out by that.
            await stores.guesses.forgive(self.guess_keys.of(credential, caller.client_address))
            now, session_id = self.clock.now(), uuid7()
            await settle(stores, attempt, session_id)
            entry = audited(
                caller,
                now,
                "auth.login",
                actor_id=passkey.user_id,
                session_id=str(session_id),
                passkey_id=str(passkey.id),
            )
            await stores.outbox.append(SignedIn(passkey.user_id, now))
            methods = proof.passkey(is_backed_up=signed.is_backed_up)
            opening = await stores.sign_ins.open(session_id, credential, None, entry, methods)
            assert opening.standing is not None  # noqa: S101 - the credential is locked, and was active
            return opening.standing

    async def _note_refusal(self, refusal: ServiceError, passkey: Passkey | None, caller: Caller) -> None:
        reason = refusal.why if isinstance(refusal, PasskeyRefused) else refusal.reason
        entry = audited(
            caller,
            self.clock.now(),
            "auth.passkey_refused",
            "refused",
            subject_id=passkey.user_id if passkey else None,
            passkey_id=str(passkey.id) if passkey else "",
            reason=reason,
        )
        async with self.database.transaction() as stores:
            await stores.audit.append(entry)


def _judge(
    told: Assertion, passkey: Passkey | None, signed: Signed | None, *, is_open: bool
) -> tuple[Passkey, Signed]:
    if not is_open:
        raise PasskeyRefused("NO_OPEN_CHALLENGE")
    if passkey is None or told.user_handle != passkey.user_id.bytes:
        raise PasskeyRefused("NO_SUCH_PASSKEY")
    if signed is None:
        raise PasskeyRefused("NOT_SIGNED_BY_IT")
    if has_gone_back(passkey.sign_count, signed.sign_count):
        raise PasskeyRefused("COUNTER_WENT_BACK")
    return passkey, signed
