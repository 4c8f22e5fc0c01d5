"""Exchanging refresh tokens."""

from datetime import timedelta

import pytest
from auth_service.domain.events import TokensRevoked
from auth_service.domain.session import SessionLimits
from auth_service.domain.user import Role
from chassis.errors import TokenExpired, TokenInvalid, TokenRevoked

from tests.auth_service.world import World, a_client, a_service


async def _refresh(world: World, token: str) -> str:
    return (await world.auth.refresh(refresh_token=token, caller=a_client())).refresh_token


async def test_a_token_is_exchanged_for_its_successor(world: World) -> None:
    """The session goes on, one further."""
    await world.user()
    tokens = await world.sign_in()

    successor = await _refresh(world, tokens.refresh_token)

    assert successor != tokens.refresh_token
    assert await _refresh(world, successor) not in {successor, tokens.refresh_token}


async def test_two_tabs_get_the_same_successor(world: World) -> None:
    """Within ten seconds the token before the newest still works, and nothing is advanced."""
    await world.user()
    tokens = await world.sign_in()
    first = await _refresh(world, tokens.refresh_token)
    world.clock.advance(timedelta(seconds=10))

    second = await _refresh(world, tokens.refresh_token)

    assert first == second
    assert (await world.database.session(world.session_of(tokens))).counter == 1


@pytest.mark.parametrize(
    ("rotations", "wait"), [(1, timedelta(seconds=11)), (2, timedelta(0))], ids=["too late", "two behind"]
)
async def test_a_spent_token_ends_the_session(world: World, rotations: int, wait: timedelta) -> None:
    """A thief may hold the successor: both have to sign in again, and it is audited."""
    await world.user()
    tokens = await world.sign_in()
    newest = tokens.refresh_token
    for _ in range(rotations):
        newest = await _refresh(world, newest)
    world.clock.advance(wait)

    with pytest.raises(TokenRevoked):
        await _refresh(world, tokens.refresh_token)

    with pytest.raises(TokenRevoked):
        await _refresh(world, newest)
    assert (await world.database.actions())[-1] == ("auth.refresh_reused", "refused")
    revoked = (await world.database.events())[-1]
    assert isinstance(revoked, TokensRevoked)
    assert revoked.revocation.session_id == world.session_of(tokens)


async def test_an_idle_session_expires(world: World) -> None:
    """After seven days without use."""
    await world.user()
    tokens = await world.sign_in()
    world.clock.advance(timedelta(days=7, seconds=1))

    with pytest.raises(TokenExpired):
        await _refresh(world, tokens.refresh_token)


async def test_no_session_lives_longer_than_a_month(world: World) -> None:
    """However often it is used."""
    await world.user()
    token = (await world.sign_in()).refresh_token
    for _ in range(5):
        world.clock.advance(timedelta(days=5))
        token = await _refresh(world, token)
    world.clock.advance(timedelta(days=4))
    tokens = await world.auth.refresh(refresh_token=token, caller=a_client())
    assert tokens.refresh_expires_in_seconds == 86_400

    world.clock.advance(timedelta(days=1))

    with pytest.raises(TokenExpired):
        await _refresh(world, tokens.refresh_token)


async def test_what_we_did_not_make_is_invalid(world: World) -> None:
    """A token of the future included: no transaction that committed has made it."""
    await world.user()
    tokens = await world.sign_in()

    for text in ("nonsense", f"{world.session_of(tokens)}/9"):
        with pytest.raises(TokenInvalid):
            await _refresh(world, text)


async def test_a_new_role_comes_with_the_next_refresh(world: World) -> None:
    """A changed role refuses access tokens, not the session."""
    user_id = await world.user()
    tokens = await world.sign_in()
    world.directory.put(user_id, "ada@example.com", role=Role.ADMIN)
    await world.accounts.sync_account(user_id=user_id, caller=a_service())

    renewed = await world.auth.refresh(refresh_token=tokens.refresh_token, caller=a_client())

    assert renewed.role is Role.ADMIN


async def test_a_failed_transaction_spends_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was rolled back has not happened: the client tries again with the same token."""
    await world.user()
    tokens = await world.sign_in()
    whole = world.auth.refresh

    def broken(_: object) -> str:
        raise RuntimeError("power cut")

    monkeypatch.setattr(SessionLimits, "expiry_after_use", lambda *_: broken(None))
    with pytest.raises(RuntimeError):
        await whole(refresh_token=tokens.refresh_token, caller=a_client())
    monkeypatch.undo()

    assert await _refresh(world, tokens.refresh_token)
