"""A browser that has signed in before is not held back by the guesses of others."""

import pytest
from auth_service.domain.errors import InvalidCredentials, TooManyAttempts
from auth_service.domain.tokens import Tokens

from tests.auth_service.world import EMAIL, PASSWORD, World, a_client


async def _sign_in(world: World, device: str = "", password: str = PASSWORD, email: str = EMAIL) -> Tokens:
    issued = await world.auth.login(email=email, password=password, device=device, caller=a_client())
    assert isinstance(issued, Tokens)
    return issued


async def _attack(world: World, address: str | None = None) -> None:
    """Guesses from many clients, or until one is blocked."""
    for number in range(8):
        for _ in range(5):
            with pytest.raises((InvalidCredentials, TooManyAttempts)):
                await world.sign_in(password="wrong", address=address or f"198.51.100.{number}")


async def test_it_does_not_wait(world: World) -> None:
    """Others do, the second time."""
    await world.user()
    device = (await _sign_in(world)).device
    await _attack(world)
    world.login_delay.waits.clear()

    assert (await _sign_in(world, device)).device == device
    assert world.login_delay.waits == []
    await world.sign_in(address="192.0.2.77")
    assert world.login_delay.waits == [1.0]


async def test_it_is_let_in_where_its_address_is_blocked(world: World) -> None:
    """A browser that shares an attacker's address has attempts of its own: five."""
    await world.user()
    device = (await _sign_in(world)).device
    await _attack(world, address="192.0.2.1")

    with pytest.raises(TooManyAttempts):
        await _sign_in(world)
    await _sign_in(world, device)
    for _ in range(5):
        with pytest.raises(InvalidCredentials):
            await _sign_in(world, device, "wrong")
    with pytest.raises(TooManyAttempts):
        await _sign_in(world, device)


@pytest.mark.parametrize("token", ["", "nonsense", "A" * 64, "\u00e9" * 64])
async def test_a_token_that_is_none(world: World, token: str) -> None:
    """Is as good as none, and says nothing."""
    await world.user()
    await _sign_in(world, token)


async def test_it_is_of_no_use_at_another_account(world: World) -> None:
    """Nor does it name the one it is for."""
    user_id = await world.user()
    await world.user("bob@example.com")
    device = (await _sign_in(world)).device
    await _attack(world, address="192.0.2.1")
    for _ in range(5):
        with pytest.raises(InvalidCredentials):
            await _sign_in(world, device, "wrong", "bob@example.com")

    with pytest.raises(TooManyAttempts):
        await world.sign_in("bob@example.com")
    assert str(user_id) not in device
    assert user_id.hex not in device


async def test_another_password_ends_it(world: World) -> None:
    """A stolen one is worth nothing after a reset."""
    user_id = await world.user()
    device = (await _sign_in(world)).device
    credential = await world.database.credential(user_id)
    async with world.units.transaction() as unit:
        await unit.credentials.replace_hash(user_id, credential.password_hash, "1:another")
    await _attack(world, address="192.0.2.1")

    with pytest.raises(TooManyAttempts):
        await _sign_in(world, device, "another")
