"""Steps of several use cases: taking back what sessions have handed out."""

from uuid import UUID

from auth_service.domain.events import TokensRevoked
from auth_service.domain.stores import Stores


async def end_session(stores: Stores, session_id: UUID, user_id: UUID) -> bool:
    """Ends a person's session and its access tokens; says whether it was open."""
    if not await stores.sessions.end(session_id, user_id):
        return False
    await revoke_session(stores, session_id)
    return True


async def revoke_session(stores: Stores, session_id: UUID) -> None:
    """Takes back the access tokens of a session that has ended."""
    await stores.outbox.append(TokensRevoked(await stores.revocations.of_session(session_id)))


async def revoke_person(stores: Stores, user_id: UUID) -> None:
    """Takes back every access token of a person."""
    await stores.outbox.append(TokensRevoked(await stores.revocations.of_person(user_id)))
