"""A browser that has signed in before is not held back by the guesses of others."""

import pytest
from auth_service.domain.errors import InvalidCredentials, TooManyAttempts
from auth_service.domain.tokens import Tokens

from tests.auth_service.local_service import EMAIL, PASSWORD, LocalService, a_client


async def _sign_in(
    service: LocalService, device: str = "", password: str = PASSWORD, email: str = EMAIL
) -> Tokens:
    issued = await service.auth.login(email=email, password=password, device=device, caller=a_client())
    assert isinstance(issued, Tokens)
    return issued


async def _attack(service: LocalService, address: str | None = None) -> None:
    """Guesses from many clients, or until one is blocked."""
    for number in range(8):
        for _ in range(5):
            with pytest.raises((InvalidCredentials, TooManyAttempts)):
                await service.sign_in(password="wrong", address=address or f"198.51.100.{number}")


async def test_it_does_not_wait(service: LocalService) -> None:
    """Others do, the second time."""
    await service.user()
    device = (await _sign_in(service)).device
    await _attack(service)
    service.login_delay.waits.clear()

    assert (await _sign_in(service, device)).device == device
    assert service.login_delay.waits == []
    await service.sign_in(address="192.0.2.77")
    assert service.login_delay.waits == [1.0]


async def test_it_is_let_in_where_its_address_is_blocked(service: LocalService) -> None:
    """A browser that shares an attacker's address has attempts of its own: five."""
    await service.user()
    device = (await _sign_in(service)).device
    await _attack(service, address="192.0.2.1")

    with pytest.raises(TooManyAttempts):
        await _sign_in(service)
    await _sign_in(service, device)
    for _ in range(5):
        with pytest.raises(InvalidCredentials):
            await _sign_in(service, device, "wrong")
    with pytest.raises(TooManyAttempts):
        await _sign_in(service, device)


async def test_signing_in_resets_what_its_address_counted(service: LocalService) -> None:
    """Passwords that its session was asked for are counted by address: four, and four after signing in."""
    user_id = await service.user()
    device = (await _sign_in(service)).device
    for _ in range(2):
        for _ in range(4):
            assert not await service.accounts.verify_password(
                user_id=user_id, password="wrong", caller=a_client()
            )
        device = (await _sign_in(service, device)).device


@pytest.mark.parametrize("token", ["", "nonsense", "A" * 64, "\u00e9" * 64])
async def test_a_token_that_is_none(service: LocalService, token: str) -> None:
    """Is as good as none, and says nothing."""
    await service.user()
    await _sign_in(service, token)


async def test_it_is_of_no_use_at_another_account(service: LocalService) -> None:
    """Nor does it name the one it is for."""
    user_id = await service.user()
    await service.user("bob@example.com")
    device = (await _sign_in(service)).device
    await _attack(service, address="192.0.2.1")
    for _ in range(5):
        with pytest.raises(InvalidCredentials):
            await _sign_in(service, device, "wrong", "bob@example.com")

    with pytest.raises(TooManyAttempts):
        await service.sign_in("bob@example.com")
    assert str(user_id) not in device
    assert user_id.hex not in device


async def test_another_password_ends_it(service: LocalService) -> None:
    """A stolen one is worth nothing after a reset."""
    user_id = await service.user()
    device = (await _sign_in(service)).device
    credential = await service.database.credential(user_id)
    async with service.units.transaction() as unit:
        await unit.credentials.replace_hash(user_id, credential.password_hash, "1:another")
    await _attack(service, address="192.0.2.1")

    with pytest.raises(TooManyAttempts):
        await _sign_in(service, device, "another")
