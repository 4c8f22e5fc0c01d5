"""The strict profile: sessions end without use, and admins need a second factor."""

from datetime import timedelta
from uuid import UUID

import pytest
from auth_service.domain.audit import audited
from auth_service.domain.login_throttle import ThrottleKey
from auth_service.domain.passkey import NewPasskey
from auth_service.domain.proof import PASSWORD_AND_CODE
from auth_service.domain.session import ACCESS_LIFETIME, STANDARD, STRICT, SessionLimits
from auth_service.domain.tokens import Tokens
from chassis.errors import TokenExpired
from chassis.identity.caller import Caller
from chassis.identity.role import Role
from chassis.ids import uuid7

from tests.auth_service.clocked_postgres import ClockedPostgres
from tests.auth_service.local_service import PASSWORD, LocalService, a_client, build_service

MINUTE = timedelta(minutes=1)


@pytest.fixture(name="strict")
def _strict(database: ClockedPostgres) -> LocalService:
    return build_service(database, STRICT, admins_need_second_factor=True)


async def _refresh(service: LocalService, tokens: Tokens) -> Tokens:
    return await service.auth.refresh(refresh_token=tokens.refresh_token, caller=a_client())


def _granted(service: LocalService) -> tuple[Role, bool]:
    return service.signer.grants[-1].role, service.signer.grants[-1].must_enrol


async def test_a_session_ends_without_use(strict: LocalService) -> None:
    """However long its last limit said: 15 minutes after it was used last."""
    await strict.user()
    tokens = await strict.sign_in()
    for _ in range(3):
        strict.clock.advance(14 * MINUTE)
        tokens = await _refresh(strict, tokens)
        assert tokens.refresh_expires_in_seconds == 15 * 60

    strict.clock.advance(15 * MINUTE)
    with pytest.raises(TokenExpired):
        await _refresh(strict, tokens)


async def test_a_session_ends_with_the_day(strict: LocalService) -> None:
    """However much it is used."""
    await strict.user()
    tokens = await strict.sign_in()
    for _ in range(12 * 6 - 1):
        strict.clock.advance(10 * MINUTE)
        tokens = await _refresh(strict, tokens)
    assert tokens.refresh_expires_in_seconds == 10 * 60

    strict.clock.advance(10 * MINUTE)
    with pytest.raises(TokenExpired):
        await _refresh(strict, tokens)


@pytest.mark.parametrize("limits", [STANDARD, STRICT])
def test_a_token_lives_no_longer_than_its_session(limits: SessionLimits) -> None:
    """A client that refreshes only when its token has expired finds the session open."""
    assert limits.access <= ACCESS_LIFETIME
    assert limits.access < limits.idle < limits.lifetime


async def test_an_admin_without_a_second_factor(strict: LocalService) -> None:
    """Gets tokens to set one up with and, that done, tokens for everything."""
    user_id = await strict.user(role=Role.ADMIN, proven=True)
    tokens = await strict.sign_in()
    assert _granted(strict) == (Role.USER, True)
    assert tokens.role is Role.ADMIN

    tokens = await _refresh(strict, tokens)
    assert _granted(strict) == (Role.USER, True)
    async with strict.units.transaction() as unit:
        await unit.second_factors.begin(user_id, b"sealed")
        await unit.second_factors.confirm(user_id, 1, [])
    tokens = await _refresh(strict, tokens)
    assert _granted(strict) == (Role.ADMIN, False)

    async with strict.units.transaction() as unit:
        await unit.second_factors.remove(user_id)
    await _refresh(strict, tokens)
    assert _granted(strict) == (Role.USER, True)


async def test_a_passkey_is_two_factors(strict: LocalService) -> None:
    """An admin who signs in with one needs no other; by the password alone the admin still does."""
    user_id = await strict.user(role=Role.ADMIN, proven=True)
    caller = strict.signed_in(user_id, await strict.sign_in())
    options = await strict.passkeys.begin_passkey(password=PASSWORD, caller=caller)
    made = {"challenge": options["challenge"], "id": "phone", "by": "phone"}
    await strict.passkeys.add_passkey(name="Phone", attestation=made, caller=caller)

    options = await strict.passkeys.begin_passkey_login()
    shown = {"challenge": options["challenge"], "id": "phone", "by": "phone", "user": user_id}
    tokens = await strict.passkeys.login_with_passkey(assertion=shown, caller=a_client())
    assert _granted(strict) == (Role.ADMIN, False)
    await _refresh(strict, tokens)
    assert _granted(strict) == (Role.ADMIN, False)

    await strict.sign_in()
    assert _granted(strict) == (Role.USER, True)


async def test_others_need_none(strict: LocalService, service: LocalService) -> None:
    """Neither users who are no admins, nor admins in the standard profile."""
    await strict.user()
    await strict.sign_in()
    assert _granted(strict) == (Role.USER, False)

    await service.user("root@example.com", role=Role.ADMIN, proven=True)
    await service.sign_in("root@example.com")
    assert _granted(service) == (Role.ADMIN, False)


async def test_a_key_may_do_no_more_than_a_session(strict: LocalService) -> None:
    """Of a promoted user, of an admin who turned the second factor off, with and without a passkey."""
    user_id = await strict.user(role=Role.ADMIN, proven=True)
    async with strict.units.transaction() as unit:
        await unit.second_factors.begin(user_id, b"sealed")
        await unit.second_factors.confirm(user_id, 1, [])
    caller = Caller(user_id=user_id, role=Role.ADMIN, session_id=await _a_session(strict, user_id))
    _, text = await strict.api_keys.create_api_key(
        name="directory", scopes=["read", "write", "admin"], expires_at=None, caller=caller
    )

    async def key_rights() -> tuple[Role, bool]:
        holder = await strict.ports.verify_api_key(text=text, caller=a_client())
        return holder.role, holder.must_enrol

    assert await key_rights() == (Role.ADMIN, False)
    await strict.mfa.remove_totp(password=PASSWORD, caller=caller)
    assert await key_rights() == (Role.USER, True)
    assert (await strict.database.revocations())[-1].user_id == user_id
    async with strict.units.transaction() as unit:
        made = NewPasskey(credential_id=b"phone", public_key=b"", sign_count=0)
        passkey = await unit.passkeys.add(uuid7(), user_id, "Phone", made)
    assert await key_rights() == (Role.ADMIN, False)
    revoked = len(await strict.database.revocations())
    await strict.passkeys.remove_passkey(passkey_id=passkey.id, password=PASSWORD, caller=caller)
    assert await key_rights() == (Role.USER, True)
    assert len(await strict.database.revocations()) == revoked + 1


async def _a_session(strict: LocalService, user_id: UUID) -> UUID:
    async with strict.units.transaction() as unit:
        credential = await unit.credentials.by_id(user_id)
        assert credential is not None
        entry = audited(a_client(), strict.clock.now(), "auth.login", actor_id=user_id)
        opening = await unit.sign_ins.open(
            uuid7(), credential, ThrottleKey(b"a", b"c"), entry, PASSWORD_AND_CODE
        )
    assert opening.locked is not None
    return opening.locked.session.id
