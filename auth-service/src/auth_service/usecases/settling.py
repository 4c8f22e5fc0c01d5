"""Steps of several use cases: what an attempt came to, and how its lost answer is given."""

from dataclasses import replace
from uuid import UUID

from chassis.errors import TokenExpired, TokenRevoked, Unavailable

from auth_service.domain.idempotency import Attempt
from auth_service.domain.stores import Database, Stores
from auth_service.domain.tokens import Tokens
from auth_service.usecases.issue_tokens import IssueTokens


def outcome_of(attempt: Attempt | None) -> UUID | None:
    """Returns what was made under this attempt already, by a call of which nobody was told."""
    return None if attempt is None else attempt.outcome


async def settle(stores: Stores, attempt: Attempt | None, outcome: UUID) -> None:
    """Notes with a change what the attempt came to, so that it is not made twice.

    Raises:
        Unavailable: somebody who had been given up for dead has made the change; the next call
            is told of it.
    """
    if attempt is not None and not await stores.attempts.settle(attempt.attempt_id, outcome):
        raise Unavailable


async def tokens_again(database: Database, issue_tokens: IssueTokens, session_id: UUID) -> Tokens:
    """Returns tokens of a session that was opened and whose tokens were lost.

    Raises:
        TokenRevoked: it has ended since.
        TokenExpired: it was not used in time.
    """
    limits = issue_tokens.limits
    async with database.transaction() as stores:
        standing = await stores.sessions.lock(session_id)
        if standing is None or standing.session.ended_at is not None:
            raise TokenRevoked
        session = limits.applied(standing.session)
        if standing.at >= session.expires_at:
            raise TokenExpired
        # Whoever ends the session looks here whether a token of it may still be alive.
        used = limits.used(session, standing.at)
        await stores.sessions.renew(used)
    return issue_tokens(replace(standing, session=used))
