"""Creating, verifying and revoking API keys."""

from datetime import timedelta
from uuid import UUID

import pytest
from auth_service.domain.api_key import KEYS_MAX, LIFETIME_MAX
from auth_service.domain.errors import TooManyApiKeys
from auth_service.domain.events import TokensRevoked as RevocationEvent
from chassis.errors import Invalid, NotFound, TokenExpired, TokenInvalid, TokenRevoked, Unauthenticated
from chassis.identity.caller import Caller
from chassis.ids import uuid7

from tests.auth_service.world import EMAIL, World, a_client, a_service

MINUTE = timedelta(minutes=1)


async def _owner(world: World, email: str = EMAIL) -> Caller:
    user_id = await world.user(email, proven=True)
    return world.signed_in(user_id, await world.sign_in(email))


async def _made(world: World, owner: Caller, lifetime: timedelta | None = None) -> tuple[UUID, str]:
    expires_at = None if lifetime is None else world.clock.now() + lifetime
    key, text = await world.api_keys.create_api_key(
        name="report", scopes=["write", "read", "write"], expires_at=expires_at, caller=owner
    )
    return key.id, text


async def test_a_key_is_its_persons(world: World) -> None:
    """It is verified with the user's role; its secret is not stored."""
    owner = await _owner(world)
    key_id, text = await _made(world, owner)

    holder = await world.ports.verify_api_key(text=text, caller=a_client())
    (listed,) = await world.api_keys.list_api_keys(caller=owner)

    assert (holder.key.id, holder.key.user_id, holder.role.value) == (key_id, owner.user_id, "user")
    assert list(holder.key.scopes) == ["read", "write"]
    assert listed.last_used_at == world.clock.now()
    assert (await world.database.actions())[-1] == ("auth.api_key_created", "success")
    assert (await world.database.audited())[-1].details == {"key_id": str(key_id), "scopes": "read,write"}


@pytest.mark.parametrize("lifetime", [timedelta(0), -MINUTE, LIFETIME_MAX + MINUTE])
async def test_times_that_make_no_sense(world: World, lifetime: timedelta) -> None:
    """Refused by name of the field, and nothing made."""
    owner = await _owner(world)
    with pytest.raises(Invalid) as caught:
        await _made(world, owner, lifetime)

    assert [error.field for error in caught.value.field_errors] == ["expires_at"]
    assert not await world.database.rows("api_keys")


async def test_there_is_a_limit(world: World) -> None:
    """For each user; a revoked key makes room."""
    owner, bob = await _owner(world), await _owner(world, "bob@example.com")
    keys = [await _made(world, owner) for _ in range(KEYS_MAX)]
    with pytest.raises(TooManyApiKeys):
        await _made(world, owner)
    await _made(world, bob)
    await world.api_keys.revoke_api_key(key_id=keys[0][0], caller=owner)
    await _made(world, owner)

    assert len(await world.api_keys.list_api_keys(caller=owner)) == KEYS_MAX


async def test_without_a_user_no_key_is_created(world: World) -> None:
    """Neither for an unknown user nor for one erased meanwhile."""
    with pytest.raises(Unauthenticated):
        await _made(world, a_client())
    with pytest.raises(Unauthenticated):
        await _made(world, Caller(user_id=uuid7(), role="user"))


async def test_wrong_keys(world: World) -> None:
    """Of no form, of an unknown prefix, with another secret: all alike, none audited."""
    _, text = await _made(world, await _owner(world))
    before = await world.database.actions()
    for wrong in ("vst_", "vst_9/secret", text + "s"):
        with pytest.raises(TokenInvalid):
            await world.ports.verify_api_key(text=wrong, caller=a_client())

    assert await world.database.actions() == before


async def test_expired(world: World) -> None:
    """From the moment on; audited once a minute with who sent it."""
    owner = await _owner(world)
    key_id, text = await _made(world, owner, MINUTE)
    world.clock.advance(MINUTE)
    for _ in range(3):
        with pytest.raises(TokenExpired):
            await world.ports.verify_api_key(text=text, caller=a_client())
    assert (await world.database.actions()).count(("auth.api_key_refused", "refused")) == 1
    entry = (await world.database.audited())[-1]
    world.clock.advance(MINUTE)
    with pytest.raises(TokenExpired):
        await world.ports.verify_api_key(text=text, caller=a_client())

    assert (await world.database.actions()).count(("auth.api_key_refused", "refused")) == 2
    assert (entry.actor_id, entry.subject_id, entry.ip) == (owner.user_id, owner.user_id, "192.0.2.1")
    assert entry.details == {"key_id": str(key_id), "reason": "TOKEN_EXPIRED", "method": "any"}


async def test_revoked(world: World) -> None:
    """Services that have it cached drop it by the event of a session; twice is not found."""
    owner = await _owner(world)
    key_id, text = await _made(world, owner)
    await world.api_keys.revoke_api_key(key_id=key_id, caller=owner)

    with pytest.raises(TokenRevoked):
        await world.ports.verify_api_key(text=text, caller=a_client())
    with pytest.raises(NotFound):
        await world.api_keys.revoke_api_key(key_id=key_id, caller=owner)
    (revocation,) = await world.database.revocations()
    assert revocation.session_id == key_id
    assert RevocationEvent(revocation) in await world.database.events()
    assert not await world.api_keys.list_api_keys(caller=owner)
    assert ("auth.api_key_revoked", "success") in await world.database.actions()


async def test_anothers_key_is_not_found(world: World) -> None:
    """Nor does it end."""
    owner, bob = await _owner(world), await _owner(world, "bob@example.com")
    key_id, text = await _made(world, owner)
    with pytest.raises(NotFound):
        await world.api_keys.revoke_api_key(key_id=key_id, caller=bob)

    assert (await world.ports.verify_api_key(text=text, caller=a_client())).key.id == key_id


async def test_use_is_noted_once_a_minute(world: World) -> None:
    """Reading is not to cost a write."""
    owner = await _owner(world)
    _, text = await _made(world, owner)
    first = world.clock.now()
    await world.ports.verify_api_key(text=text, caller=a_client())
    world.clock.advance(MINUTE / 2)
    await world.ports.verify_api_key(text=text, caller=a_client())
    noted = (await world.database.rows("api_keys"))[0].last_used_at
    world.clock.advance(MINUTE / 2)
    await world.ports.verify_api_key(text=text, caller=a_client())

    assert noted == first
    assert (await world.database.rows("api_keys"))[0].last_used_at == first + MINUTE


async def test_what_others_refused_is_audited(world: World) -> None:
    """Each method once a minute; of an unknown key nothing."""
    owner = await _owner(world)
    key_id, _ = await _made(world, owner)
    for method in ("/a/A", "/a/A", "/a/B"):
        await world.ports.report_refused_key(key_id=key_id, method=method, caller=a_service())
    await world.ports.report_refused_key(key_id=uuid7(), method="/a/A", caller=a_service())
    details_of_refusals = [entry.details for entry in await world.database.audited("auth.api_key_refused")]

    assert [(details["reason"], details["method"]) for details in details_of_refusals] == [
        ("FORBIDDEN", "/a/A"),
        ("FORBIDDEN", "/a/B"),
    ]


async def test_introspection_returns_a_keys_rights(world: World) -> None:
    """Or why it is no good."""
    owner = await _owner(world)
    key_id, text = await _made(world, owner)
    good = await world.tokens.introspect_token(token=text, caller=a_service())
    await world.api_keys.revoke_api_key(key_id=key_id, caller=owner)
    bad = await world.tokens.introspect_token(token=text, caller=a_service())

    assert good.key is not None
    assert (good.refusal, good.key.key.id) == ("", key_id)
    assert (bad.refusal, bad.key) == ("TOKEN_REVOKED", None)


async def test_a_deactivated_persons_key(world: World) -> None:
    """Is refused until the user is active again."""
    owner = await _owner(world)
    _, text = await _made(world, owner)
    user_id = owner.person()
    world.directory.put(user_id, EMAIL, is_active=False)
    await world.accounts.sync_account(user_id=user_id, caller=a_service())
    with pytest.raises(TokenRevoked):
        await world.ports.verify_api_key(text=text, caller=a_client())
    world.directory.put(user_id, EMAIL, is_active=True)
    await world.accounts.sync_account(user_id=user_id, caller=a_service())

    assert (await world.ports.verify_api_key(text=text, caller=a_client())).is_active
