"""Enrolment: what every call checks that gives a user another way to sign in."""

from chassis.errors import TokenRevoked, Unauthenticated
from chassis.identity.caller import Caller

from auth_service.domain.credential import Credential
from auth_service.domain.unit_of_work import UnitOfWork
from auth_service.domain.verified_email import VerifiedAddressRule


async def lock_for_enrolment(
    unit: UnitOfWork, caller: Caller, address_rule: VerifiedAddressRule
) -> Credential:
    """Locks the caller's credential and checks that it may get another way in.

    Raises:
        Unauthenticated: the user has no credential any more.
        EmailNotVerified: the address has to be verified first.
        TokenRevoked: the session has ended since the call was authenticated.
    """
    credential = await unit.credentials.lock(caller.require_user_id())
    if credential is None:
        raise Unauthenticated
    address_rule.check(credential)
    await require_open_session(unit, caller)
    return credential


async def require_open_session(unit: UnitOfWork, caller: Caller) -> None:
    """Checks that the caller's session is still open; the credential must be locked.

    A call that waited for the lock while the account was recovered must not add a way in.

    Raises:
        TokenRevoked: it has ended since the call was authenticated.
    """
    if caller.session_id is None or not await unit.sessions.is_open(
        caller.session_id, caller.require_user_id()
    ):
        raise TokenRevoked
