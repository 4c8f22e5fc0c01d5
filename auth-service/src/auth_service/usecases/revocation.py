"""Ending ways into an account and revoking the tokens they gave; steps of several use cases."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from chassis.component import Component

from auth_service.domain.credential import Credential
from auth_service.domain.events import EmailVerified, TokensRevoked
from auth_service.domain.mail import OWNERS_TOKENS
from auth_service.domain.revocation import Access
from auth_service.domain.rights import RightsRule
from auth_service.domain.session import TOKENS_LIVE
from auth_service.domain.tokens import Revocation
from auth_service.domain.unit_of_work import UnitOfWork, UnitsOfWork

_EVER = datetime(1970, 1, 1, tzinfo=UTC)


async def end_access(
    unit: UnitOfWork, user_id: UUID, ends: Access, *, at: datetime, keep_session: UUID | None = None
) -> None:
    """Ends ways into an account; the credential must be locked.

    Args:
        unit: In a transaction.
        user_id: Whose access ends.
        ends: Which ways: one of the sets in `domain/revocation.py`.
        at: The time.
        keep_session: The session that stays open, if any.
    """
    await _end_other_ways_in(unit, user_id, ends)
    if Access.API_KEYS in ends:
        await unit.api_keys.revoke_all(user_id)
    if Access.SESSIONS in ends:
        await _end_sessions(unit, user_id, at, keep_session)
    await _end_requests(unit, user_id, ends)
    all_sessions = Access.SESSIONS in ends and keep_session is None
    if Access.API_KEYS in ends or Access.SECOND_FACTOR in ends or all_sessions:
        # Services drop cached API keys by this event; and without the second factor, tokens may grant
        # more than their user may do.
        await revoke_user(unit, user_id)


async def _end_other_ways_in(unit: UnitOfWork, user_id: UUID, ends: Access) -> None:
    if Access.PASSKEYS in ends:
        await unit.passkeys.remove_all(user_id)
    if Access.SECOND_FACTOR in ends:
        await unit.second_factors.remove(user_id)
    if Access.UNFINISHED in ends:
        await unit.second_factors.discard_unfinished(user_id)
        await unit.passkeys.close_challenges(user_id)


async def _end_requests(unit: UnitOfWork, user_id: UUID, ends: Access) -> None:
    if Access.MAILED_TOKENS in ends:
        await unit.mails.withdraw(user_id, *OWNERS_TOKENS)
    if Access.STORED_RESPONSES in ends:
        await unit.idempotency.expire(user_id)
    if Access.PENDING_EMAIL in ends and await unit.email_changes.drop_pending(user_id):
        await unit.outbox.append(EmailVerified(user_id))  # Has user-service drop it as well.
    if Access.KNOWN_DEVICES in ends:
        await unit.devices.forget_all(user_id)


async def _end_sessions(unit: UnitOfWork, user_id: UUID, at: datetime, keep: UUID | None) -> None:
    living = at - TOKENS_LIVE
    ended = await unit.sessions.end_all(user_id, but=keep, used_since=living)
    if keep is not None:
        for session_id in ended:
            await revoke_session(unit, session_id)


async def end_session(unit: UnitOfWork, session_id: UUID, user_id: UUID) -> bool:
    """Ends a user's session and its access tokens; says whether it was open. Lock the credential before."""
    if not await unit.sessions.end(session_id, user_id):
        return False
    await revoke_session(unit, session_id)
    return True


async def revoke_session(unit: UnitOfWork, session_id: UUID) -> None:
    """Revokes the access tokens of an ended session, or an API key, and stored responses with them."""
    await unit.idempotency.expire(session_id)
    await unit.outbox.append(TokensRevoked(await unit.revocations.of_session(session_id)))


async def revoke_user(unit: UnitOfWork, user_id: UUID) -> None:
    """Revokes every access token of a user, and stored responses with them."""
    await unit.idempotency.expire(user_id)
    await unit.outbox.append(TokensRevoked(await unit.revocations.of_user(user_id)))


async def revoke_lost_rights(unit: UnitOfWork, credential: Credential, rights_of: RightsRule) -> None:
    """Revokes tokens that may grant more than their user may do without the factor that was removed.

    Args:
        unit: In the transaction that removes the factor.
        credential: The user's, locked, as it was before.
        rights_of: Derives what the user may do.
    """
    if rights_of(credential.role, has_two_factors=False).must_enrol:
        await revoke_user(unit, credential.user_id)


class ListRevocations(Component):
    """Lists the revocations in force."""

    units: UnitsOfWork

    async def __call__(self, *, since: datetime | None) -> tuple[Sequence[Revocation], datetime]:
        """Returns them, and when Postgres was read.

        Args:
            since: When it was read for those that the caller has; None if it has none.
        """
        async with self.units.statements() as unit:
            return await unit.revocations.in_force(max(since or _EVER, _EVER))
