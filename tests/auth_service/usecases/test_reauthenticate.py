"""Renewing the proof of who one is."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from auth_service.domain.errors import (
    CredentialChanged,
    InvalidCredentials,
    PasskeyRefused,
    TooManyAttempts,
)
from auth_service.domain.tokens import Tokens
from chassis.errors import Forbidden, Invalid, TokenExpired, TokenRevoked
from chassis.identity.caller import Caller

from tests.auth_service.local_service import EMAIL, PASSWORD, LocalService, a_client

HOUR = timedelta(hours=1)


@pytest_asyncio.fixture(loop_scope="session", name="caller")
async def _caller(service: LocalService) -> Caller:
    """A user who signed in an hour ago."""
    caller = service.signed_in(await service.user(proven=True), await service.sign_in())
    service.clock.advance(HOUR)
    return caller


async def _prove(service: LocalService, caller: Caller, **proof: Any) -> Tokens:
    given = {"password": None, "code": None, "assertion": None} | proof
    return await service.auth.reauthenticate(**given, caller=caller)


async def _proof(service: LocalService, caller: Caller) -> tuple[datetime, tuple[str, ...]]:
    """Returns what the session keeps, having held the newest access token against it."""
    assert caller.session_id is not None
    session = await service.database.session(caller.session_id)
    grant = service.signer.grants[-1]
    assert (grant.session_id, grant.auth_time, grant.amr) == (session.id, session.auth_time, session.amr)
    return session.auth_time, tuple(session.amr)


async def _assertion(service: LocalService, user_id: UUID | None, name: str) -> dict[str, Any]:
    options = await service.passkeys.begin_passkey_login()
    return {"challenge": options["challenge"], "id": name, "by": name, "user": user_id, "count": 1}


async def test_a_password(service: LocalService, caller: Caller) -> None:
    """The same session goes on, proven now; refreshing keeps that and does not renew it."""
    tokens = await _prove(service, caller, password=PASSWORD)
    proven_at = service.clock.now()

    assert await _proof(service, caller) == (proven_at, ("pwd",))
    assert service.session_of(tokens) == caller.session_id
    assert (await service.database.actions())[-1] == ("auth.reauthenticated", "success")
    service.clock.advance(HOUR)
    await service.auth.refresh(refresh_token=tokens.refresh_token, caller=a_client())
    assert await _proof(service, caller) == (proven_at, ("pwd",))


async def test_a_wrong_password_counts_like_a_sign_ins(service: LocalService, caller: Caller) -> None:
    """Five of them, and neither this nor signing in is possible from here."""
    for _ in range(5):
        with pytest.raises(InvalidCredentials):
            await _prove(service, caller, password="not the password")
    assert (await _proof(service, caller))[0] == service.clock.now() - HOUR
    with pytest.raises(TooManyAttempts):
        await _prove(service, caller, password=PASSWORD)
    with pytest.raises(TooManyAttempts):
        await service.sign_in()


async def test_the_second_factor_is_asked_where_it_is_on(service: LocalService, caller: Caller) -> None:
    """A wrong code is counted apart from passwords; a code counts once."""
    await service.turn_on_totp(caller)
    with pytest.raises(Invalid) as missing:
        await _prove(service, caller, password=PASSWORD)
    assert missing.value.field_errors[0].field == "code"
    with pytest.raises(InvalidCredentials):
        await _prove(service, caller, password="not the password", code=service.totp())
    await _prove(service, caller, password=PASSWORD, code=service.totp())
    assert await _proof(service, caller) == (service.clock.now(), ("pwd", "otp", "mfa"))
    for _ in range(5):
        with pytest.raises(InvalidCredentials):
            await _prove(service, caller, password=PASSWORD, code=service.totp())
    assert (await service.database.actions())[-1] == ("auth.mfa_refused", "refused")
    with pytest.raises(TooManyAttempts):
        await _prove(service, caller, password=PASSWORD, code=service.totp(1))
    # Passwords are not blocked by that: signing in gets as far as the second step.
    await service.auth.login(email=EMAIL, password=PASSWORD, caller=a_client())


async def test_a_passkey(service: LocalService, caller: Caller) -> None:
    """It is both factors, and must be the caller's own."""
    await service.add_passkey(caller, "phone")
    mallory = service.signed_in(
        await service.user("m@example.com", proven=True), await service.sign_in("m@example.com")
    )
    await service.add_passkey(mallory, "hers")
    with pytest.raises(PasskeyRefused):
        await _prove(service, caller, assertion=await _assertion(service, mallory.user_id, "hers"))
    assert (await service.database.audited())[-1].details["reason"] == "ANOTHER_USERS"
    assertion = await _assertion(service, caller.user_id, "phone")
    await _prove(service, caller, assertion=assertion)

    at, methods = await _proof(service, caller)
    assert (at, methods[1:]) == (service.clock.now(), ("user", "mfa"))
    with pytest.raises(PasskeyRefused):
        await _prove(service, caller, assertion=assertion)


@pytest.mark.parametrize("proof", [{}, {"password": PASSWORD, "assertion": {}}, {"code": "123456"}])
async def test_one_proof(service: LocalService, caller: Caller, proof: dict[str, Any]) -> None:
    """Neither none nor two."""
    with pytest.raises(Invalid) as refused:
        await _prove(service, caller, **proof)

    assert refused.value.field_errors[0].field == "password"


async def test_no_session_no_proof(service: LocalService, caller: Caller) -> None:
    """An API key has none, and an ended or unused one is not brought back."""
    with pytest.raises(Forbidden):
        await _prove(service, replace(caller, session_id=None), password=PASSWORD)
    service.clock.advance(timedelta(days=8))
    with pytest.raises(TokenExpired):
        await _prove(service, caller, password=PASSWORD)
    other = service.signed_in(caller.require_user_id(), await service.sign_in())
    await service.auth.logout(caller=other)
    with pytest.raises(TokenRevoked):
        await _prove(service, other, password=PASSWORD)


async def test_a_token_given_here_ends_with_the_session(service: LocalService, caller: Caller) -> None:
    """Fourteen minutes after the last refresh it is the token of this that has to be taken back."""
    other = service.signed_in(caller.require_user_id(), await service.sign_in())
    service.clock.advance(timedelta(minutes=14))
    await _prove(service, other, password=PASSWORD)
    service.clock.advance(timedelta(minutes=10))
    await service.auth.change_password(
        old_password=PASSWORD, new_password="another-" + PASSWORD, caller=caller
    )

    assert other.session_id in {each.session_id for each in await service.database.revocations()}


async def test_a_password_changed_meanwhile(service: LocalService, caller: Caller) -> None:
    """What was proven is not the password any more."""
    verify = service.hasher.verify

    async def slow(password_hash: str | None, password: str) -> bool:
        matches = await verify(password_hash, password)
        async with service.units.transaction() as unit:
            await unit.credentials.replace_hash(caller.require_user_id(), password_hash or "", "1:another")
        return matches

    service.hasher.verify = slow  # type: ignore[method-assign]
    with pytest.raises(CredentialChanged):
        await _prove(service, caller, password=PASSWORD)
