"""Adding passkeys and signing in with them."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from auth_service.domain.errors import InvalidCredentials, PasskeyRefused, TooManyAttempts
from auth_service.domain.events import SignedIn
from auth_service.domain.passkey import has_gone_back
from auth_service.domain.tokens import Tokens
from chassis.errors import Invalid
from chassis.identity.caller import Caller

from tests.auth_service.local_service import EMAIL, PASSWORD, LocalService, a_client


@dataclass(frozen=True)
class Owner:
    """A user with a passkey called `phone`."""

    user_id: UUID
    caller: Caller


@pytest_asyncio.fixture(loop_scope="session", name="owner")
async def _owner(service: LocalService) -> Owner:
    user_id = await service.user(proven=True)
    caller = service.signed_in(user_id, await service.sign_in())
    await _add(service, caller)
    return Owner(user_id, caller)


async def _add(service: LocalService, caller: Caller, **different: Any) -> None:
    options = await service.passkeys.begin_passkey(password=PASSWORD, caller=caller)
    answer = {"challenge": options["challenge"], "id": "phone", "by": "phone"} | different
    await service.passkeys.add_passkey(name="Phone", attestation=answer, caller=caller)


async def _sign_in(service: LocalService, owner: Owner, **different: Any) -> Tokens:
    options = await service.passkeys.begin_passkey_login()
    answer = {
        "challenge": options["challenge"],
        "id": "phone",
        "by": "phone",
        "user": owner.user_id,
    } | different
    return await service.passkeys.login_with_passkey(assertion=answer | different, caller=a_client())


async def test_the_browser_is_known_from_then_on(service: LocalService, owner: Owner) -> None:
    """By a token of the account: with the password it signs in there without waiting for guessers."""
    device = (await _sign_in(service, owner)).device
    for number in range(8):
        for _ in range(5):
            with pytest.raises((InvalidCredentials, TooManyAttempts)):
                await service.sign_in(password="wrong", address=f"198.51.100.{number}")
    service.login_delay.waits.clear()

    issued = await service.auth.login(email=EMAIL, password=PASSWORD, device=device, caller=a_client())

    assert isinstance(issued, Tokens)
    assert issued.device == device
    assert service.login_delay.waits == []


async def test_signing_in(service: LocalService, owner: Owner) -> None:
    """A session, the entry with the passkey, and user-service is sent."""
    tokens = await _sign_in(service, owner, count=3)

    (passkey,) = await service.passkeys.list_passkeys(caller=owner.caller)
    assert (passkey.sign_count, passkey.last_used_at) == (3, service.clock.now())
    assert (await service.database.session(service.session_of(tokens))).user_id == owner.user_id
    entry = (await service.database.audited())[-1]
    assert (entry.action, entry.actor_id) == ("auth.login", owner.user_id)
    assert entry.details["passkey_id"] == str(passkey.id)
    assert (await service.database.events())[-1] == SignedIn(owner.user_id, service.clock.now())


async def test_no_second_step(service: LocalService, owner: Owner) -> None:
    """What has shown two factors is not asked for another."""
    enrolled = await service.mfa.begin_totp(caller=owner.caller)
    assert enrolled.secret
    step = int(service.clock.now().timestamp()) // 30
    await service.mfa.confirm_totp(code=str(step), caller=owner.caller)

    assert isinstance(await _sign_in(service, owner), Tokens)


async def test_it_is_no_guess(service: LocalService, owner: Owner) -> None:
    """Who is blocked for guessing passwords still signs in with the passkey."""
    for _ in range(5):
        with pytest.raises(Exception, match="INVALID_CREDENTIALS"):
            await service.sign_in(password="not the password")

    await _sign_in(service, owner)
    with pytest.raises(Exception, match="TOO_MANY_ATTEMPTS"):
        await service.sign_in()


@pytest.mark.parametrize(
    ("different", "why"),
    [
        ({"challenge": "another"}, "NO_OPEN_CHALLENGE"),
        ({"id": "another"}, "NO_SUCH_PASSKEY"),
        ({"user": UUID(int=0)}, "NO_SUCH_PASSKEY"),
        ({"by": "another"}, "NOT_SIGNED_BY_IT"),
        ({"count": 4}, "COUNTER_WENT_BACK"),
    ],
)
async def test_refusals(service: LocalService, owner: Owner, different: dict[str, Any], why: str) -> None:
    """All look the same from outside; only the audit log has the reason."""
    await _sign_in(service, owner, count=4)
    sessions = len(await service.database.rows("sessions"))
    with pytest.raises(PasskeyRefused) as caught:
        await _sign_in(service, owner, **different)

    assert (caught.value.reason, caught.value.details) == ("INVALID_CREDENTIALS", {})
    entry = (await service.database.audited())[-1]
    if "id" in different:
        assert entry.outcome == "success", "an unknown passkey concerns no user"
    else:
        assert (entry.action, entry.outcome) == ("auth.passkey_refused", "refused")
        assert entry.details["reason"] == why
    assert len(await service.database.rows("sessions")) == sessions


async def test_a_challenge_is_spent_by_a_wrong_answer(service: LocalService, owner: Owner) -> None:
    """After a failure a new one is needed."""
    options = await service.passkeys.begin_passkey_login()
    for by in ("another", "phone"):
        with pytest.raises(PasskeyRefused):
            await _sign_in(service, owner, challenge=options["challenge"], by=by)


async def test_challenges_end(service: LocalService, owner: Owner) -> None:
    """After five minutes."""
    options = await service.passkeys.begin_passkey_login()
    service.clock.advance(timedelta(minutes=5))
    with pytest.raises(PasskeyRefused):
        await _sign_in(service, owner, challenge=options["challenge"])


async def test_refused_additions_are_audited(service: LocalService, owner: Owner) -> None:
    """And add nothing."""
    for different in ({"challenge": "another"}, {"by": "another"}):
        with pytest.raises(Invalid):
            await _add(service, owner.caller, id="second", **different)
    with pytest.raises(Exception, match="CONFLICT"):
        await _add(service, owner.caller)

    assert (await service.database.actions())[-3:] == [("auth.passkey_added", "refused")] * 3
    assert len(await service.database.rows("passkeys")) == 1


@pytest.mark.parametrize(
    ("stored", "sent", "back"), [(0, 0, False), (0, 1, False), (1, 1, True), (2, 0, True)]
)
def test_counters(stored: int, sent: int, back: bool) -> None:
    """A counter that has once counted must rise each time."""
    assert has_gone_back(stored, sent) is back
