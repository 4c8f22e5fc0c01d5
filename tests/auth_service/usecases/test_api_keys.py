"""Creating, verifying and revoking API keys."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from auth_service.domain.api_key import KEYS_MAX, LIFETIME_MAX
from auth_service.domain.errors import TooManyApiKeys
from auth_service.domain.events import TokensRevoked as RevocationEvent
from chassis.errors import Invalid, NotFound, TokenExpired, TokenInvalid, TokenRevoked, Unauthenticated
from chassis.identity.caller import Caller
from chassis.identity.role import Role
from chassis.ids import uuid7

from tests.auth_service.local_service import EMAIL, LocalService, a_client, a_service

MINUTE = timedelta(minutes=1)


async def _owner(service: LocalService, email: str = EMAIL) -> Caller:
    user_id = await service.user(email, proven=True)
    return service.signed_in(user_id, await service.sign_in(email))


async def _made(service: LocalService, owner: Caller, lifetime: timedelta | None = None) -> tuple[UUID, str]:
    expires_at = None if lifetime is None else service.clock.now() + lifetime
    key, text = await service.api_keys.create_api_key(
        name="report", scopes=["write", "read", "write"], expires_at=expires_at, caller=owner
    )
    return key.id, text


async def test_a_key_is_its_users(service: LocalService) -> None:
    """It is verified with the user's role; its secret is not stored."""
    owner = await _owner(service)
    key_id, text = await _made(service, owner)

    holder = await service.ports.verify_api_key(text=text, caller=a_client())
    (listed,) = await service.api_keys.list_api_keys(caller=owner)

    assert (holder.key.id, holder.key.user_id, holder.role.value) == (key_id, owner.user_id, "user")
    assert list(holder.key.scopes) == ["read", "write"]
    assert listed.last_used_at == service.clock.now()
    assert (await service.database.actions())[-1] == ("auth.api_key_created", "success")
    assert (await service.database.audited())[-1].details == {"key_id": str(key_id), "scopes": "read,write"}


@pytest.mark.parametrize("lifetime", [timedelta(0), -MINUTE, LIFETIME_MAX + MINUTE])
async def test_times_that_make_no_sense(service: LocalService, lifetime: timedelta) -> None:
    """Refused by name of the field, and nothing made."""
    owner = await _owner(service)
    with pytest.raises(Invalid) as caught:
        await _made(service, owner, lifetime)

    assert [error.field for error in caught.value.field_errors] == ["expires_at"]
    assert not await service.database.rows("api_keys")


async def test_there_is_a_limit(service: LocalService) -> None:
    """For each user; a revoked key makes room."""
    owner, bob = await _owner(service), await _owner(service, "bob@example.com")
    keys = [await _made(service, owner) for _ in range(KEYS_MAX)]
    with pytest.raises(TooManyApiKeys):
        await _made(service, owner)
    await _made(service, bob)
    await service.api_keys.revoke_api_key(key_id=keys[0][0], caller=owner)
    await _made(service, owner)

    assert len(await service.api_keys.list_api_keys(caller=owner)) == KEYS_MAX


async def test_without_a_user_no_key_is_created(service: LocalService) -> None:
    """Neither for an unknown user nor for one erased meanwhile."""
    with pytest.raises(Unauthenticated):
        await _made(service, a_client())
    with pytest.raises(Unauthenticated):
        await _made(service, Caller(user_id=uuid7(), role=Role.USER))


async def test_wrong_keys(service: LocalService) -> None:
    """Of no form, of an unknown prefix, with another secret: all alike, none audited."""
    _, text = await _made(service, await _owner(service))
    before = await service.database.actions()
    for wrong in ("vst_", "vst_9/secret", text + "s"):
        with pytest.raises(TokenInvalid):
            await service.ports.verify_api_key(text=wrong, caller=a_client())

    assert await service.database.actions() == before


async def test_expired(service: LocalService) -> None:
    """From the moment on; audited once a minute with who sent it."""
    owner = await _owner(service)
    key_id, text = await _made(service, owner, MINUTE)
    service.clock.advance(MINUTE)
    for _ in range(3):
        with pytest.raises(TokenExpired):
            await service.ports.verify_api_key(text=text, caller=a_client())
    assert (await service.database.actions()).count(("auth.api_key_refused", "refused")) == 1
    entry = (await service.database.audited())[-1]
    service.clock.advance(MINUTE)
    with pytest.raises(TokenExpired):
        await service.ports.verify_api_key(text=text, caller=a_client())

    assert (await service.database.actions()).count(("auth.api_key_refused", "refused")) == 2
    assert (entry.actor_id, entry.subject_id, entry.ip) == (owner.user_id, owner.user_id, "192.0.2.1")
    assert entry.details == {"key_id": str(key_id), "reason": "TOKEN_EXPIRED", "method": "any"}


async def test_expired_many_times_at_once(service: LocalService) -> None:
    """A machine that tries again beside itself is one refusal too."""
    _, text = await _made(service, await _owner(service), MINUTE)
    service.clock.advance(MINUTE)
    tries = (service.ports.verify_api_key(text=text, caller=a_client()) for _ in range(20))
    results = await asyncio.gather(*tries, return_exceptions=True)

    assert all(isinstance(each, TokenExpired) for each in results)
    assert (await service.database.actions()).count(("auth.api_key_refused", "refused")) == 1


async def test_revoked(service: LocalService) -> None:
    """Services that have it cached drop it by the event of a session; twice is not found."""
    owner = await _owner(service)
    key_id, text = await _made(service, owner)
    await service.api_keys.revoke_api_key(key_id=key_id, caller=owner)

    with pytest.raises(TokenRevoked):
        await service.ports.verify_api_key(text=text, caller=a_client())
    with pytest.raises(NotFound):
        await service.api_keys.revoke_api_key(key_id=key_id, caller=owner)
    (revocation,) = await service.database.revocations()
    assert revocation.session_id == key_id
    assert RevocationEvent(revocation) in await service.database.events()
    assert not await service.api_keys.list_api_keys(caller=owner)
    assert ("auth.api_key_revoked", "success") in await service.database.actions()


async def test_anothers_key_is_not_found(service: LocalService) -> None:
    """Nor does it end."""
    owner, bob = await _owner(service), await _owner(service, "bob@example.com")
    key_id, text = await _made(service, owner)
    with pytest.raises(NotFound):
        await service.api_keys.revoke_api_key(key_id=key_id, caller=bob)

    assert (await service.ports.verify_api_key(text=text, caller=a_client())).key.id == key_id


async def test_use_is_noted_once_a_minute(service: LocalService) -> None:
    """Reading is not to cost a write."""
    owner = await _owner(service)
    _, text = await _made(service, owner)
    first = service.clock.now()
    await service.ports.verify_api_key(text=text, caller=a_client())
    service.clock.advance(MINUTE / 2)
    await service.ports.verify_api_key(text=text, caller=a_client())
    noted = (await service.database.rows("api_keys"))[0].last_used_at
    service.clock.advance(MINUTE / 2)
    await service.ports.verify_api_key(text=text, caller=a_client())

    assert noted == first
    assert (await service.database.rows("api_keys"))[0].last_used_at == first + MINUTE


async def test_what_others_refused_is_audited(service: LocalService) -> None:
    """Each method once a minute; of an unknown key nothing."""
    owner = await _owner(service)
    key_id, _ = await _made(service, owner)
    for method in ("/a/A", "/a/A", "/a/B"):
        await service.ports.report_refused_key(key_id=key_id, method=method, caller=a_service())
    await service.ports.report_refused_key(key_id=uuid7(), method="/a/A", caller=a_service())
    details_of_refusals = [entry.details for entry in await service.database.audited("auth.api_key_refused")]

    assert [(details["reason"], details["method"]) for details in details_of_refusals] == [
        ("FORBIDDEN", "/a/A"),
        ("FORBIDDEN", "/a/B"),
    ]


async def test_introspection_returns_a_keys_rights(service: LocalService) -> None:
    """Or why it is no good."""
    owner = await _owner(service)
    key_id, text = await _made(service, owner)
    good = await service.tokens.introspect_token(token=text, caller=a_service())
    await service.api_keys.revoke_api_key(key_id=key_id, caller=owner)
    bad = await service.tokens.introspect_token(token=text, caller=a_service())

    assert good.key is not None
    assert (good.refusal, good.key.key.id) == ("", key_id)
    assert (bad.refusal, bad.key) == ("TOKEN_REVOKED", None)


async def test_a_deactivated_users_key(service: LocalService) -> None:
    """Is refused until the user is active again."""
    owner = await _owner(service)
    _, text = await _made(service, owner)
    user_id = owner.require_user_id()
    service.directory.put(user_id, EMAIL, is_active=False)
    await service.accounts.sync_account(user_id=user_id, caller=a_service())
    with pytest.raises(TokenRevoked):
        await service.ports.verify_api_key(text=text, caller=a_client())
    service.directory.put(user_id, EMAIL, is_active=True)
    await service.accounts.sync_account(user_id=user_id, caller=a_service())

    assert (await service.ports.verify_api_key(text=text, caller=a_client())).is_active
