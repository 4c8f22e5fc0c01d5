"""Turning the second factor on and off, and signing in with it."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import pytest
import pytest_asyncio
from auth_service.domain.errors import InvalidCredentials, SecondFactorOn, TooManyAttempts, WrongCode
from auth_service.domain.second_factor import Challenge
from auth_service.domain.tokens import Tokens
from chassis.errors import Invalid, NotFound, TokenExpired, TokenInvalid
from chassis.identity.caller import Caller

from tests.auth_service.world import PASSWORD, World, a_client

EMAIL = "ada@example.com"


@dataclass(frozen=True)
class Guarded:
    """A user with a second factor."""

    user_id: UUID
    caller: Caller
    recovery_codes: list[str]


@pytest_asyncio.fixture(loop_scope="session", name="guarded")
async def _guarded(world: World) -> Guarded:
    user_id = await world.user(proven=True)
    caller = world.signed_in(user_id, await world.sign_in())
    codes = await world.turn_on_totp(caller)
    return Guarded(user_id, caller, list(codes))


async def _challenge(world: World) -> str:
    issued = await world.auth.login(email=EMAIL, password=PASSWORD, caller=a_client())
    assert isinstance(issued, Challenge)
    return issued.token


async def _verify(world: World, token: str, code: str) -> Tokens:
    return await world.mfa.verify_mfa(mfa_token=token, code=code, caller=a_client())


@pytest.mark.parametrize("drift", [0, 1])
async def test_codes_of_neighbouring_steps(world: World, guarded: Guarded, drift: int) -> None:
    """Clocks may differ by a step: the one before turned it on."""
    tokens = await _verify(world, await _challenge(world), world.totp(drift))

    assert (await world.database.session(world.session_of(tokens))).user_id == guarded.user_id


async def test_a_code_counts_once(world: World, guarded: Guarded) -> None:
    """Nor does any code of a step before it."""
    await _verify(world, await _challenge(world), world.totp(1))
    for drift in (1, 0, -1):
        with pytest.raises(InvalidCredentials):
            await _verify(world, await _challenge(world), world.totp(drift))


async def test_a_challenge_counts_once(world: World, guarded: Guarded) -> None:
    """And a code that came with a used one is as good as before."""
    token = await _challenge(world)
    await _verify(world, token, world.totp())
    with pytest.raises(TokenInvalid):
        await _verify(world, token, world.totp(1))

    assert isinstance(await _verify(world, await _challenge(world), world.totp(1)), Tokens)


async def test_a_recovery_code_counts_once(world: World, guarded: Guarded) -> None:
    """There are ten; using one is audited."""
    code = guarded.recovery_codes[3]
    await _verify(world, await _challenge(world), code)
    assert (await world.database.actions())[-1] == ("auth.recovery_code_used", "success")
    with pytest.raises(InvalidCredentials):
        await _verify(world, await _challenge(world), code)

    assert len(await world.database.rows("recovery_codes")) == 9


async def test_wrong_codes_are_counted_apart(world: World, guarded: Guarded) -> None:
    """Five block the second step, by whichever client, and not the password."""
    token = await _challenge(world)
    for _ in range(5):
        with pytest.raises(InvalidCredentials):
            await _verify(world, token, "0")
    with pytest.raises(TooManyAttempts):
        await _verify(world, token, world.totp())

    later = await _challenge(world)
    assert (await world.database.actions())[-6:] == [("auth.mfa_refused", "refused")] * 6
    world.clock.advance(timedelta(minutes=15, seconds=1))
    with pytest.raises(TokenExpired):
        await _verify(world, later, world.totp())
    await _verify(world, await _challenge(world), world.totp())


async def test_a_wrong_code_is_called_one(world: World, guarded: Guarded) -> None:
    """With the status and code of a wrong password, but not its message."""
    with pytest.raises(WrongCode) as caught:
        await _verify(world, await _challenge(world), "0")

    assert caught.value.reason == InvalidCredentials.reason
    assert "code" in caught.value.message
    assert "password" not in caught.value.message


async def test_turning_it_off_counts_wrong_passwords(world: World, guarded: Guarded) -> None:
    """Like those of a sign-in: five block the client, for the right password too."""
    for _ in range(5):
        with pytest.raises(Invalid):
            await world.mfa.remove_totp(password="not the password", caller=guarded.caller)
    with pytest.raises(TooManyAttempts):
        await world.mfa.remove_totp(password=PASSWORD, caller=guarded.caller)
    with pytest.raises(TooManyAttempts):
        await _challenge(world)


async def test_wrong_passwords_do_not_block_codes(world: World, guarded: Guarded) -> None:
    """The two counters know nothing of each other; signing in resets the password's."""
    token = await _challenge(world)
    for _ in range(4):
        with pytest.raises(InvalidCredentials):
            await world.sign_in(password="not the password")
    await _verify(world, token, world.totp())

    with pytest.raises(InvalidCredentials):
        await world.sign_in(password="not the password")
    await _challenge(world)


async def test_a_challenge_ends(world: World, guarded: Guarded) -> None:
    """After five minutes, and says so; the trail knows whose it was."""
    token = await _challenge(world)
    world.clock.advance(timedelta(minutes=5))
    with pytest.raises(TokenExpired):
        await _verify(world, token, world.totp())

    entry = (await world.database.audited())[-1]
    assert (entry.action, entry.outcome, entry.subject_id) == ("auth.mfa_refused", "refused", guarded.user_id)
    assert entry.details == {"reason": "TOKEN_EXPIRED"}


async def test_an_unknown_challenge_is_not_audited(world: World, guarded: Guarded) -> None:
    """It concerns no user, and any client can make up thousands."""
    entries = len(await world.database.actions())
    with pytest.raises(TokenInvalid):
        await _verify(world, "unknown", world.totp())

    assert len(await world.database.actions()) == entries


async def test_turning_it_on_takes_a_code(world: World) -> None:
    """A wrong one is audited and turns nothing on; there has to be a secret first."""
    user_id = await world.user(proven=True)
    caller = world.signed_in(user_id, await world.sign_in())
    with pytest.raises(NotFound):
        await world.mfa.confirm_totp(code=world.totp(), caller=caller)
    await world.mfa.begin_totp(caller=caller)
    with pytest.raises(Invalid):
        await world.mfa.confirm_totp(code=world.totp(5), caller=caller)

    assert (await world.database.actions())[-1] == ("auth.mfa_enabled", "refused")
    await world.sign_in()


async def test_turning_it_off_takes_the_password(world: World, guarded: Guarded) -> None:
    """Then the password is enough again, challenges and recovery codes are gone."""
    await _challenge(world)
    with pytest.raises(Invalid):
        await world.mfa.remove_totp(password="not the password", caller=guarded.caller)
    with pytest.raises(SecondFactorOn):
        await world.mfa.begin_totp(caller=guarded.caller)

    await world.mfa.remove_totp(password=PASSWORD, caller=guarded.caller)

    assert (await world.database.actions())[-1] == ("auth.mfa_disabled", "success")
    assert not await world.database.rows("mfa_challenges")
    await world.sign_in()
