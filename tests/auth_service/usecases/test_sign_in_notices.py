"""Sign-ins that are reported by mail: from new devices, and after too many wrong codes."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from auth_service.domain.device import NOTICES_MAX, NOTICES_WINDOW, device_of
from auth_service.domain.errors import InvalidCredentials, TooManyAttempts
from auth_service.domain.login_throttle import BLOCK, FAILURES_MAX
from auth_service.domain.mail import MailKind
from auth_service.domain.second_factor import Challenge
from chassis.identity.caller import Caller

from tests.auth_service.clocked_postgres import ClockedPostgres
from tests.auth_service.world import EMAIL, PASSWORD, World, a_client, build_world

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/119.0.0.0 Safari/537.36"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0"


async def _sign_in(world: World, user_agent: str = CHROME, address: str = "192.0.2.1") -> None:
    caller = replace(a_client(address), user_agent=user_agent)
    await world.auth.login(email=EMAIL, password=PASSWORD, caller=caller)


async def _notices(world: World, kind: MailKind = MailKind.NEW_DEVICE) -> int:
    return (await world.database.queued()).count(kind)


async def test_a_new_device_is_reported_once(world: World) -> None:
    """The first one of a user is no news; a newer version of the browser is no other device."""
    await world.user()
    await _sign_in(world)
    await _sign_in(world, CHROME.replace("119", "120"))
    await _sign_in(world, address="192.0.77.9")
    assert await _notices(world) == 0

    await _sign_in(world, FIREFOX)
    await _sign_in(world, FIREFOX)
    assert await _notices(world) == 1
    await _sign_in(world, address="198.51.100.7")
    assert await _notices(world) == 2


async def test_a_wrong_password_is_no_sign_in(world: World) -> None:
    """Nor does it make the device known."""
    await world.user()
    await _sign_in(world)
    caller = replace(a_client(), user_agent=FIREFOX)
    with pytest.raises(InvalidCredentials):
        await world.auth.login(email=EMAIL, password="wrong", caller=caller)
    assert (await _notices(world), len(await world.database.rows("known_devices"))) == (0, 1)


async def test_there_is_no_flood_of_mails(world: World) -> None:
    """An intruder does not fill the mailbox by changing the User-Agent each time."""
    await world.user()
    for number in range(NOTICES_MAX + 10):
        await _sign_in(world, f"Browser {number}")
    assert await _notices(world) == NOTICES_MAX

    world.clock.advance(NOTICES_WINDOW + timedelta(seconds=1))
    await _sign_in(world, "Another browser")
    assert await _notices(world) == NOTICES_MAX + 1


async def test_two_at_once(world: World) -> None:
    """One mail."""
    await world.user()
    await _sign_in(world)
    await asyncio.gather(*(_sign_in(world, FIREFOX) for _ in range(4)))
    assert await _notices(world) == 1


async def test_devices_are_each_users_own(world: World) -> None:
    """One user's device is not known as another's."""
    ada = await world.user()
    bob = await world.user("bob@example.com")
    await _sign_in(world)
    assert {row.user_id for row in await world.database.rows("known_devices")} == {ada}
    await world.sign_in("bob@example.com")
    assert {row.user_id for row in await world.database.rows("known_devices")} == {ada, bob}


def test_devices() -> None:
    """By browser and provider's network; addresses that are none count as one."""
    assert device_of(CHROME, "192.0.2.1") == device_of(CHROME.replace("119.0", "120.1"), "192.0.200.9")
    assert device_of(CHROME, "192.0.2.1") != device_of(CHROME, "192.1.2.1")
    assert device_of("", "2001:db8::1") == device_of("", "2001:db8:ffff::1")
    assert device_of("", "2001:db8::1") != device_of("", "2001:db9::1")
    assert device_of("", "::ffff:192.0.2.1") == device_of("", "192.0.2.1")
    assert device_of("Phone 1", "") != device_of("Phone 2", "unknown")


async def _guarded(world: World) -> UUID:
    user_id = await world.user(proven=True)
    caller = world.signed_in(user_id, await world.sign_in())
    step = int(world.clock.now().timestamp()) // 30
    await world.mfa.begin_totp(caller=caller)
    await world.mfa.confirm_totp(code=str(step - 1), caller=caller)
    return user_id


async def _guess(world: World, times: int) -> None:
    issued = await world.auth.login(email=EMAIL, password=PASSWORD, caller=a_client())
    assert isinstance(issued, Challenge)
    for _ in range(times):
        with pytest.raises((InvalidCredentials, TooManyAttempts)):
            await world.mfa.verify_mfa(mfa_token=issued.token, code="wrong", caller=a_client())


async def test_guessed_codes_are_reported_once_per_block(world: World) -> None:
    """They come from someone with the password."""
    await _guarded(world)
    await _guess(world, FAILURES_MAX - 1)
    assert await _notices(world, MailKind.SECOND_FACTOR_GUESSED) == 0
    await _guess(world, 10)
    assert await _notices(world, MailKind.SECOND_FACTOR_GUESSED) == 1

    world.clock.advance(BLOCK + timedelta(seconds=1))
    await _guess(world, FAILURES_MAX)
    assert await _notices(world, MailKind.SECOND_FACTOR_GUESSED) == 2


async def test_codes_guessed_in_a_session_count_as_well(world: World) -> None:
    """Proving oneself once more is another way to guess."""
    user_id = await _guarded(world)
    (session,) = await world.database.rows("sessions")
    caller = Caller(user_id=user_id, role="user", session_id=session.id, client_address="192.0.2.1")
    for _ in range(FAILURES_MAX):
        with pytest.raises(InvalidCredentials):
            await world.auth.reauthenticate(password=PASSWORD, code="wrong", assertion=None, caller=caller)
    assert await _notices(world, MailKind.SECOND_FACTOR_GUESSED) == 1


async def test_turned_off(database: ClockedPostgres) -> None:
    """By setting, no mail is sent, and no device is stored."""
    world = build_world(database, notify=False)
    await _guarded(world)
    await _guess(world, FAILURES_MAX)
    await _sign_in(world, FIREFOX)

    assert await _notices(world, MailKind.SECOND_FACTOR_GUESSED) == 0
    assert not await world.database.rows("known_devices")
