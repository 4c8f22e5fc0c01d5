"""Refreshing: rotates a session's refresh token, and ends the session when a spent one is used again."""

from dataclasses import replace

from chassis.component import Component
from chassis.errors import TokenExpired, TokenInvalid, TokenRevoked
from chassis.idempotency.record import IdempotencyRecord
from chassis.idempotency.run_once import record_outcome, recorded_outcome
from chassis.identity.caller import Caller

from auth_service.domain.audit import audited
from auth_service.domain.refresh import Exchange, evaluate_exchange
from auth_service.domain.session import STANDARD, LockedSession, SessionLimits
from auth_service.domain.tokens import RefreshTokens, Tokens
from auth_service.domain.unit_of_work import UnitOfWork, UnitsOfWork
from auth_service.usecases.revocation import end_session
from auth_service.usecases.tokens import IssueTokens


class Refresh(Component):
    """Rotates a session's refresh token; ends the session if a spent token is reused."""

    units: UnitsOfWork
    refresh_tokens: RefreshTokens
    issue_tokens: IssueTokens
    limits: SessionLimits = STANDARD

    async def __call__(
        self, *, refresh_token: str, caller: Caller, idempotency: IdempotencyRecord | None = None
    ) -> Tokens:
        """Returns the session's new tokens.

        Args:
            refresh_token: The token to spend.
            caller: The client.
            idempotency: The call's record; a retry gets the same successor.

        Raises:
            TokenInvalid: the token is not ours.
            TokenExpired: it has expired.
            TokenRevoked: the session has ended, or ends now because the token was spent before.
            Unavailable: the same call is still running.
        """
        token = self.refresh_tokens.read(refresh_token)
        if token is None:
            raise TokenInvalid
        async with self.units.transaction() as unit:
            locked = await unit.sessions.lock(token.session_id)
            if locked is None:
                raise TokenRevoked
            session = self.limits.applied(locked.session)
            is_replay = recorded_outcome(idempotency) == session.id
            verdict = evaluate_exchange(session, token.counter, locked.at, is_replay=is_replay)
            if verdict in (Exchange.ROTATE, Exchange.SAME_SUCCESSOR) and not is_replay:
                await record_outcome(unit, idempotency, session.id)
            locked = await self._apply(unit, verdict, locked, caller, is_replay=is_replay)
        match verdict:
            case Exchange.ROTATE | Exchange.SAME_SUCCESSOR:
                return self.issue_tokens(locked)
            case Exchange.EXPIRED:
                raise TokenExpired
            case Exchange.NEVER_ISSUED:
                raise TokenInvalid
            case Exchange.SPENT | Exchange.ENDED:
                raise TokenRevoked

    async def _apply(
        self, unit: UnitOfWork, verdict: Exchange, locked: LockedSession, caller: Caller, *, is_replay: bool
    ) -> LockedSession:
        """Returns the session after the exchange."""
        if verdict is Exchange.ROTATE:
            return await self._rotated(unit, locked)
        if verdict is Exchange.SPENT:
            await _end_reused(unit, locked, caller)
        elif verdict is Exchange.SAME_SUCCESSOR and is_replay:
            # Another access token is issued long after the rotation: the last use shows whether one may
            # still be valid when the session ends.
            used = self.limits.used(self.limits.applied(locked.session), locked.at)
            await unit.sessions.renew(used)
            return replace(locked, session=used)
        return locked

    async def _rotated(self, unit: UnitOfWork, locked: LockedSession) -> LockedSession:
        session, at = locked.session, locked.at
        expires_at = self.limits.expiry_after_use(session.created_at, at)
        if not await unit.sessions.rotate(session, at, expires_at):
            raise TokenRevoked
        rotated = replace(
            session, counter=session.counter + 1, rotated_at=at, last_used_at=at, expires_at=expires_at
        )
        return replace(locked, session=rotated)


async def _end_reused(unit: UnitOfWork, locked: LockedSession, caller: Caller) -> None:
    session = locked.session
    await end_session(unit, session.id, session.user_id)
    await unit.audit.append(
        audited(
            caller,
            locked.at,
            "auth.refresh_reused",
            "refused",
            subject_id=session.user_id,
            session_id=str(session.id),
        )
    )
