"""Exchanging a refresh token for its successor."""

from dataclasses import dataclass, replace

from chassis.errors import TokenExpired, TokenInvalid, TokenRevoked
from chassis.identity.caller import Caller

from auth_service.domain.audit import audited
from auth_service.domain.idempotency import Attempt
from auth_service.domain.ports import RefreshTokens
from auth_service.domain.session import STANDARD, Exchange, SessionLimits, Standing, judge_exchange
from auth_service.domain.stores import Database, Stores
from auth_service.domain.tokens import Tokens
from auth_service.usecases.issue_tokens import IssueTokens
from auth_service.usecases.revoking import end_session
from auth_service.usecases.settling import outcome_of, settle


@dataclass(frozen=True, slots=True)
class Refresh:
    """Rotates a session's refresh token; ends the session when a spent one comes back."""

    database: Database
    refresh_tokens: RefreshTokens
    issue_tokens: IssueTokens
    limits: SessionLimits = STANDARD

    async def __call__(self, *, refresh_token: str, caller: Caller, attempt: Attempt | None = None) -> Tokens:
        """Returns the session's new tokens.

        Args:
            refresh_token: The token to spend.
            caller: Who asks.
            attempt: By which the call is known when it is made again: if it spent the token and
                its answer was lost, it is given the same successor.

        Raises:
            TokenInvalid: we did not make the token.
            TokenExpired: it was not used in time.
            TokenRevoked: the session has ended, or ends now because the token was spent.
            Unavailable: the same call is still being answered.
        """
        token = self.refresh_tokens.read(refresh_token)
        if token is None:
            raise TokenInvalid
        async with self.database.transaction() as stores:
            standing = await stores.sessions.lock(token.session_id)
            if standing is None:
                raise TokenRevoked
            session = self.limits.applied(standing.session)
            is_told_again = outcome_of(attempt) == session.id
            verdict = judge_exchange(session, token.counter, standing.at, is_told_again=is_told_again)
            if verdict in (Exchange.ROTATE, Exchange.SAME_SUCCESSOR) and not is_told_again:
                await settle(stores, attempt, session.id)
            standing = await self._apply(stores, verdict, standing, caller, is_told_again=is_told_again)
        match verdict:
            case Exchange.ROTATE | Exchange.SAME_SUCCESSOR:
                return self.issue_tokens(standing)
            case Exchange.EXPIRED:
                raise TokenExpired
            case Exchange.NEVER_ISSUED:
                raise TokenInvalid
            case Exchange.SPENT | Exchange.ENDED:
                raise TokenRevoked

    async def _apply(
        self, stores: Stores, verdict: Exchange, standing: Standing, caller: Caller, *, is_told_again: bool
    ) -> Standing:
        """Returns the session as the exchange leaves it."""
        if verdict is Exchange.ROTATE:
            return await self._rotated(stores, standing)
        if verdict is Exchange.SPENT:
            await _end_reused(stores, standing, caller)
        elif verdict is Exchange.SAME_SUCCESSOR and is_told_again:
            # Long after the rotation another access token is given out: whoever ends the session
            # looks here whether one may still be alive.
            used = self.limits.used(self.limits.applied(standing.session), standing.at)
            await stores.sessions.renew(used)
            return replace(standing, session=used)
        return standing

    async def _rotated(self, stores: Stores, standing: Standing) -> Standing:
        session, at = standing.session, standing.at
        expires_at = self.limits.expiry_after_use(session.created_at, at)
        if not await stores.sessions.rotate(session, at, expires_at):
            raise TokenRevoked
        rotated = replace(
            session, counter=session.counter + 1, rotated_at=at, last_used_at=at, expires_at=expires_at
        )
        return replace(standing, session=rotated)


async def _end_reused(stores: Stores, standing: Standing, caller: Caller) -> None:
    session = standing.session
    await end_session(stores, session.id, session.user_id)
    await stores.audit.append(
        audited(
            caller,
            standing.at,
            "auth.refresh_reused",
            "refused",
            subject_id=session.user_id,
            session_id=str(session.id),
        )
    )
