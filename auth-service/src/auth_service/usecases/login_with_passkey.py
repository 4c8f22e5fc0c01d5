"""Signing in with a passkey."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from chassis.clock import Clock
from chassis.identity.caller import Caller
from chassis.ids import uuid7

from auth_service.domain import proof
from auth_service.domain.audit import audited
from auth_service.domain.errors import AccountDisabled, NotAdmittedYet, PasskeyRefused
from auth_service.domain.events import SignedIn
from auth_service.domain.idempotency import Attempt
from auth_service.domain.passkey import Passkey, Signed
from auth_service.domain.ports import DeviceTokens, GuessKeys
from auth_service.domain.session import Standing
from auth_service.domain.stores import Database
from auth_service.domain.tokens import Tokens
from auth_service.usecases.check_assertion import CheckAssertion
from auth_service.usecases.issue_tokens import IssueTokens
from auth_service.usecases.note_device import NoteDevice
from auth_service.usecases.settling import outcome_of, settle, tokens_again


@dataclass(frozen=True, slots=True)
class LoginWithPasskey:
    """Opens a session for whoever has a passkey and has shown the authenticator who they are.

    That is two factors at once, so no second step follows. What is wrong with a passkey that
    is refused is told to the audit trail alone.
    """

    database: Database
    check_assertion: CheckAssertion
    guess_keys: GuessKeys
    device_tokens: DeviceTokens
    issue_tokens: IssueTokens
    note_device: NoteDevice
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
        checked = await self.check_assertion(assertion)
        try:
            standing, device = await self._open_session(*checked.proven(), caller, attempt)
        except (PasskeyRefused, AccountDisabled) as refusal:
            await self.check_assertion.note_refusal(refusal, checked.passkey, caller)
            raise
        tokens = replace(self.issue_tokens(standing), device=device)
        await self.note_device(user_id=standing.session.user_id, caller=caller)
        return tokens

    async def _open_session(
        self, passkey: Passkey, signed: Signed, caller: Caller, attempt: Attempt | None
    ) -> tuple[Standing, str]:
        """Returns the session, and by which token the account knows the browser from now on."""
        async with self.database.transaction() as stores:
            credential = await stores.credentials.lock(passkey.user_id)
            if credential is None:
                raise PasskeyRefused("NO_SUCH_PASSKEY")
            if not credential.is_active:
                raise AccountDisabled
            if credential.is_pending:
                raise NotAdmittedYet
            await self.check_assertion.use(stores, passkey, signed)
            # Signing in forgives wrong passwords; who is blocked for them is not kept out by that.
            key = self.guess_keys.of(credential, caller.client_address)
            await stores.guesses.forgive(key)
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
            return opening.standing, self.device_tokens.issue(key.account, credential.password_hash)
