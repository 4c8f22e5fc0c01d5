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

from tests.auth_service.local_service import PASSWORD, LocalService, a_client

EMAIL = "ada@example.com"


@dataclass(frozen=True)
class Guarded:
    """A user with a second factor."""

    user_id: UUID
    caller: Caller
    recovery_codes: list[str]


@pytest_asyncio.fixture(loop_scope="session", name="guarded")
async def _guarded(service: LocalService) -> Guarded:
    user_id = await service.user(proven=True)
    caller = service.signed_in(user_id, await service.sign_in())
    codes = await service.turn_on_totp(caller)
    return Guarded(user_id, caller, list(codes))


async def _challenge(service: LocalService) -> str:
    issued = await service.auth.login(email=EMAIL, password=PASSWORD, caller=a_client())
    assert isinstance(issued, Challenge)
    return issued.token


async def _verify(service: LocalService, token: str, code: str) -> Tokens:
    return await service.mfa.verify_mfa(mfa_token=token, code=code, caller=a_client())


@pytest.mark.parametrize("drift", [0, 1])
async def test_codes_of_neighbouring_steps(service: LocalService, guarded: Guarded, drift: int) -> None:
    """Clocks may differ by a step: the one before turned it on."""
    tokens = await _verify(service, await _challenge(service), service.totp(drift))

    assert (await service.database.session(service.session_of(tokens))).user_id == guarded.user_id


async def test_a_code_counts_once(service: LocalService, guarded: Guarded) -> None:
    """Nor does any code of a step before it."""
    await _verify(service, await _challenge(service), service.totp(1))
    for drift in (1, 0, -1):
        with pytest.raises(InvalidCredentials):
            await _verify(service, await _challenge(service), service.totp(drift))


async def test_a_challenge_counts_once(service: LocalService, guarded: Guarded) -> None:
    """And a code that came with a used one is as good as before."""
    token = await _challenge(service)
    await _verify(service, token, service.totp())
    with pytest.raises(TokenInvalid):
        await _verify(service, token, service.totp(1))

    assert isinstance(await _verify(service, await _challenge(service), service.totp(1)), Tokens)


async def test_a_recovery_code_counts_once(service: LocalService, guarded: Guarded) -> None:
    """There are ten; using one is audited."""
    code = guarded.recovery_codes[3]
    assert await service.mfa.get_mfa(caller=guarded.caller) == 10
    await _verify(service, await _challenge(service), code)
    assert await service.mfa.get_mfa(caller=guarded.caller) == 9
    assert (await service.database.actions())[-1] == ("auth.recovery_code_used", "success")
    with pytest.raises(InvalidCredentials):
        await _verify(service, await _challenge(service), code)

    assert len(await service.database.rows("recovery_codes")) == 9


async def test_wrong_codes_are_counted_apart(service: LocalService, guarded: Guarded) -> None:
    """Five block the second step, by whichever client, and not the password."""
    token = await _challenge(service)
    for _ in range(5):
        with pytest.raises(InvalidCredentials):
            await _verify(service, token, "0")
    with pytest.raises(TooManyAttempts):
        await _verify(service, token, service.totp())

    later = await _challenge(service)
    assert (await service.database.actions())[-6:] == [("auth.mfa_refused", "refused")] * 6
    service.clock.advance(timedelta(minutes=15, seconds=1))
    with pytest.raises(TokenExpired):
        await _verify(service, later, service.totp())
    await _verify(service, await _challenge(service), service.totp())


async def test_a_wrong_code_is_called_one(service: LocalService, guarded: Guarded) -> None:
    """With the status and code of a wrong password, but not its message."""
    with pytest.raises(WrongCode) as caught:
        await _verify(service, await _challenge(service), "0")

    assert caught.value.reason == InvalidCredentials.reason
    assert "code" in caught.value.message
    assert "password" not in caught.value.message


async def test_turning_it_off_counts_wrong_passwords(service: LocalService, guarded: Guarded) -> None:
    """Like those of a sign-in: five block the client, for the right password too."""
    for _ in range(5):
        with pytest.raises(Invalid):
            await service.mfa.remove_totp(password="not the password", caller=guarded.caller)
    with pytest.raises(TooManyAttempts):
        await service.mfa.remove_totp(password=PASSWORD, caller=guarded.caller)
    with pytest.raises(TooManyAttempts):
        await _challenge(service)


async def test_wrong_passwords_do_not_block_codes(service: LocalService, guarded: Guarded) -> None:
    """The two counters know nothing of each other; signing in resets the password's."""
    token = await _challenge(service)
    for _ in range(4):
        with pytest.raises(InvalidCredentials):
            await service.sign_in(password="not the password")
    await _verify(service, token, service.totp())

    with pytest.raises(InvalidCredentials):
        await service.sign_in(password="not the password")
    await _challenge(service)


async def test_a_challenge_ends(service: LocalService, guarded: Guarded) -> None:
    """After five minutes, and says so; the trail knows whose it was."""
    token = await _challenge(service)
    service.clock.advance(timedelta(minutes=5))
    with pytest.raises(TokenExpired):
        await _verify(service, token, service.totp())

    entry = (await service.database.audited())[-1]
    assert (entry.action, entry.outcome, entry.subject_id) == ("auth.mfa_refused", "refused", guarded.user_id)
    assert entry.details == {"reason": "TOKEN_EXPIRED"}


async def test_an_unknown_challenge_is_not_audited(service: LocalService, guarded: Guarded) -> None:
    """It concerns no user, and any client can make up thousands."""
    entries = len(await service.database.actions())
    with pytest.raises(TokenInvalid):
        await _verify(service, "unknown", service.totp())

    assert len(await service.database.actions()) == entries


async def test_turning_it_on_takes_a_code(service: LocalService) -> None:
    """A wrong one is audited and turns nothing on; there has to be a secret first."""
    user_id = await service.user(proven=True)
    caller = service.signed_in(user_id, await service.sign_in())
    with pytest.raises(NotFound):
        await service.mfa.confirm_totp(code=service.totp(), caller=caller)
    await service.mfa.begin_totp(caller=caller)
    with pytest.raises(Invalid):
        await service.mfa.confirm_totp(code=service.totp(5), caller=caller)

    assert (await service.database.actions())[-1] == ("auth.mfa_enabled", "refused")
    await service.sign_in()


async def test_turning_it_off_takes_the_password(service: LocalService, guarded: Guarded) -> None:
    """Then the password is enough again, challenges and recovery codes are gone."""
    await _challenge(service)
    with pytest.raises(Invalid):
        await service.mfa.remove_totp(password="not the password", caller=guarded.caller)
    with pytest.raises(SecondFactorOn):
        await service.mfa.begin_totp(caller=guarded.caller)

    await service.mfa.remove_totp(password=PASSWORD, caller=guarded.caller)

    assert (await service.database.actions())[-1] == ("auth.mfa_disabled", "success")
    assert not await service.database.rows("mfa_challenges")
    await service.sign_in()
