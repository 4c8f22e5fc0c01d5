"""The second step of signing in: a code of the second factor."""

from chassis.clock import Clock
from chassis.component import Component
from chassis.errors import ServiceError, TokenExpired, TokenInvalid
from chassis.idempotency.record import IdempotencyRecord
from chassis.idempotency.run_once import record_outcome, recorded_outcome
from chassis.identity.caller import Caller
from chassis.ids import uuid7

from auth_service.domain.audit import audited
from auth_service.domain.credential import Credential
from auth_service.domain.errors import AccountDisabled, InvalidCredentials, TooManyAttempts
from auth_service.domain.events import SignedIn
from auth_service.domain.login_throttle import ThrottleKeys
from auth_service.domain.proof import PASSWORD_AND_CODE
from auth_service.domain.second_factor import SecondFactorSecrets
from auth_service.domain.session import LockedSession
from auth_service.domain.tokens import Tokens
from auth_service.domain.unit_of_work import UnitOfWork, UnitsOfWork
from auth_service.usecases.second_factor import CheckCode
from auth_service.usecases.tokens import IssueFirstTokens, reissue_tokens


class VerifyMfa(Component):
    """Opens the session of a challenge, once.

    Everything happens under the credential's lock: of concurrent calls with one code, one succeeds.
    """

    units: UnitsOfWork
    secrets: SecondFactorSecrets
    throttle_keys: ThrottleKeys
    check_code: CheckCode
    issue_first_tokens: IssueFirstTokens
    clock: Clock

    async def __call__(
        self, *, mfa_token: str, code: str, caller: Caller, idempotency: IdempotencyRecord | None = None
    ) -> Tokens:
        """Returns the session's tokens; for a retry, of the session that was opened.

        Raises:
            WrongCode: the code is wrong, or was used.
            TokenInvalid: the token is unknown, used, or of a former password.
            TokenExpired: it has expired.
            TooManyAttempts: too many wrong codes for this account.
            AccountDisabled: the account was deactivated meanwhile.
        """
        opened = recorded_outcome(idempotency)
        if opened is not None:
            return await reissue_tokens(self.units, self.issue_first_tokens.issue_tokens, opened)
        digest = self.secrets.challenge_digest(mfa_token)
        try:
            locked, credential = await self._finish(digest, code, caller, idempotency)
        except (TokenInvalid, TokenExpired) as refusal:
            # All of it was rolled back, the use of a right code too; the attempt is audited.
            async with self.units.transaction() as unit:
                found = await unit.second_factors.pending(digest)
                user_id = found[0].user_id if found else None
                await self.check_code.audit_refusal(unit, refusal, user_id, caller)
            raise
        return await self.issue_first_tokens(locked, credential, caller)

    async def _finish(
        self, digest: bytes, code: str, caller: Caller, idempotency: IdempotencyRecord | None
    ) -> tuple[LockedSession, Credential]:
        """Returns the session, and its user's credential."""
        async with self.units.transaction() as unit:
            credential = await self._credential(unit, digest)
            try:
                locked = await self._open_session(unit, digest, credential, code, caller)
            except (InvalidCredentials, TooManyAttempts, AccountDisabled) as refused:
                refusal: ServiceError = refused
            else:
                await record_outcome(unit, idempotency, locked.session.id)
                return locked, credential
            # The transaction commits, so that the failure counts.
            await self.check_code.audit_refusal(unit, refusal, credential.user_id, caller)
        raise refusal

    async def _credential(self, unit: UnitOfWork, digest: bytes) -> Credential:
        found = await unit.second_factors.pending(digest)
        if found is None:
            raise TokenInvalid
        waiting, at = found
        if at >= waiting.expires_at:
            raise TokenExpired
        credential = await unit.credentials.lock(waiting.user_id)
        if credential is None or credential.password_hash != waiting.password_hash:
            raise TokenInvalid
        return credential

    async def _open_session(
        self, unit: UnitOfWork, digest: bytes, credential: Credential, code: str, caller: Caller
    ) -> LockedSession:
        user_id, now = credential.user_id, self.clock.now()
        code_key = self.throttle_keys.of_second_factor(user_id)
        await self.check_code.require_allowed(unit, user_id)
        if not credential.is_active:
            raise AccountDisabled
        method = await self.check_code(unit, user_id, code)
        if not await unit.second_factors.close(digest):
            raise TokenInvalid  # A concurrent call has used it; the code stays valid.
        # Signing in deletes failures of the password as well as of the code.
        await unit.login_throttle.reset(self.throttle_keys.of(credential, caller.client_address))
        session_id = uuid7()
        entry = audited(
            caller, now, "auth.login", actor_id=user_id, session_id=str(session_id), second_factor=method
        )
        await unit.outbox.append(SignedIn(user_id, now))
        opening = await unit.sign_ins.open(session_id, credential, code_key, entry, PASSWORD_AND_CODE)
        if opening.locked is None:
            raise TokenInvalid
        if method == "recovery_code":
            await unit.audit.append(audited(caller, now, "auth.recovery_code_used", actor_id=user_id))
        return opening.locked
