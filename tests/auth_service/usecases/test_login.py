"""Signing in."""

import asyncio
from datetime import timedelta

import pytest
from auth_service.adapters.postgres.credentials import PostgresCredentials
from auth_service.domain.errors import (
    AccountDisabled,
    HashingOverloaded,
    InvalidCredentials,
    NotAdmittedYet,
    TooManyAttempts,
)
from auth_service.domain.events import SignedIn
from auth_service.domain.login_throttle import FAILURES_MAX
from chassis.errors import Unavailable

from tests.auth_service.local_service import PASSWORD, LocalService, a_service

WRONG = "not the password"


async def _guess(
    service: LocalService, times: int, email: str = "ada@example.com", address: str = "192.0.2.1"
) -> None:
    for _ in range(times):
        with pytest.raises(InvalidCredentials):
            await service.sign_in(email, WRONG, address)


async def test_the_right_password_opens_a_session(service: LocalService) -> None:
    """Tokens, the report to user-service, the audit entry: all of one session."""
    user_id = await service.user()

    tokens = await service.sign_in()

    session = await service.database.session(service.session_of(tokens))
    assert (session.user_id, session.counter, session.ip) == (user_id, 0, "192.0.2.1")
    assert (tokens.expires_in_seconds, tokens.refresh_expires_in_seconds) == (900, 7 * 86_400)
    assert service.directory.sign_ins == [(user_id, session.created_at)]
    entry = (await service.database.audited())[-1]
    assert (entry.action, entry.outcome, entry.actor_id) == ("auth.login", "success", user_id)


@pytest.mark.parametrize("email", ["ada@example.com", "ADA@EXAMPLE.COM", "\uff21da@example.com"])
async def test_addresses_are_compared_by_their_canonical_form(service: LocalService, email: str) -> None:
    """However it is written, it is one address."""
    await service.user("Ada@Example.com")

    await service.sign_in(email)


async def test_known_and_unknown_addresses_are_refused_alike(service: LocalService) -> None:
    """The same error after the same hash, and both are counted; only the known account's is audited."""
    await service.user()
    service.hasher.verified.clear()
    entries = len(await service.database.actions())

    await _guess(service, 1)
    await _guess(service, 1, "unknown@example.com")

    assert len(service.hasher.verified) == 2
    assert (await service.database.actions())[entries:] == [("auth.login_refused", "refused")]
    assert len(await service.database.rows("sign_in_failures")) == 2


@pytest.mark.parametrize("email", ["ada@example.com", "unknown@example.com"])
async def test_the_sixth_guess_of_a_client_waits(service: LocalService, email: str) -> None:
    """Five wrong passwords block the client for this account, with the right password as well."""
    await service.user()
    await _guess(service, 5, email)
    hashes = len(service.hasher.verified)

    with pytest.raises(TooManyAttempts) as caught:
        await service.sign_in(email)

    assert caught.value.retry_after_seconds == 900
    assert len(service.hasher.verified) == hashes


async def test_other_clients_are_not_locked_out(service: LocalService) -> None:
    """Another client signs in while one is blocked, and the blocked one may guess elsewhere."""
    await service.user()
    await service.user("bob@example.com")
    await _guess(service, 5)

    await service.sign_in(address="192.0.2.2")
    await service.sign_in("bob@example.com")


async def test_a_block_ends(service: LocalService) -> None:
    """After a quarter of an hour the client may try again."""
    await service.user()
    await _guess(service, 5)

    service.clock.advance(timedelta(minutes=15, seconds=1))

    await service.sign_in()


async def test_only_guesses_of_the_last_quarter_hour_count(service: LocalService) -> None:
    """Four now and four later are no five."""
    await service.user()
    await _guess(service, 4)
    service.clock.advance(timedelta(minutes=16))
    await _guess(service, 4)

    await service.sign_in()


async def test_signing_in_resets_the_count(service: LocalService) -> None:
    """Four wrong, one right, four wrong: still not blocked."""
    await service.user()
    await _guess(service, 4)
    await service.sign_in()
    await _guess(service, 4)

    await service.sign_in()


async def test_guesses_from_many_clients_slow_the_answers_down(service: LocalService) -> None:
    """More with each guess, ten seconds at most; never a lock."""
    await service.user()
    for number in range(7):
        await _guess(service, 4, address=f"198.51.100.{number}")

    await service.sign_in()

    assert service.login_delay.waits[:6] == [0.0] * 6
    assert service.login_delay.waits[6] == 0.5
    assert service.login_delay.waits[-2] == 10.0
    assert service.login_delay.waits[-1] == 1.0, "the first try of the owner's client"


async def test_a_deactivated_account_is_revealed_to_the_right_password_only(
    service: LocalService,
) -> None:
    """Without the password nothing is revealed about the account."""
    user_id = await service.user()
    service.directory.put(user_id, "ada@example.com", is_active=False)
    await service.accounts.sync_account(user_id=user_id, caller=a_service())

    await _guess(service, 1)
    with pytest.raises(AccountDisabled):
        await service.sign_in()

    assert (await service.database.actions())[-1] == ("auth.account_disabled_refused", "refused")


async def test_a_registration_not_admitted_yet_cannot_sign_in_yet(service: LocalService) -> None:
    """It is not wrong, only early; others learn nothing."""
    service.directory.away = True
    with pytest.raises(Unavailable):
        await service.user()

    with pytest.raises(NotAdmittedYet):
        await service.sign_in()
    await _guess(service, 1)


async def test_user_service_is_not_needed(service: LocalService) -> None:
    """Signing in goes on while it is unreachable; an event reports it later."""
    user_id = await service.user()
    service.directory.away = True

    tokens = await service.sign_in()

    session = await service.database.session(service.session_of(tokens))
    assert (await service.database.events())[-1] == SignedIn(user_id, session.created_at)


async def test_an_old_hash_is_replaced(service: LocalService) -> None:
    """When the parameters have become stronger, the next sign-in hashes the password again."""
    user_id = await service.user()
    service.hasher.generation = 2
    (before,) = await service.database.rows("credentials")

    await service.sign_in()

    assert (await service.database.credential(user_id)).password_hash == f"2:{PASSWORD}"
    (after,) = await service.database.rows("credentials")
    assert after.password_changed_at == before.password_changed_at, "the user has not changed it"


async def test_nothing_in_the_trail_names_a_user(service: LocalService) -> None:
    """Entries hold ids, never an address, a name or a password."""
    await service.user()
    await service.sign_in()
    await _guess(service, 6 - 1)

    logged = repr(await service.database.entries()).casefold()
    for secret in ("ada@", "lovelace", PASSWORD, WRONG):
        assert secret not in logged


async def test_guesses_in_parallel_do_not_slip_past_the_limit(service: LocalService) -> None:
    """A right password that was checked while the fifth guess was counted is refused."""
    user_id = await service.user()
    verify = service.hasher.verify

    async def slow(password_hash: str | None, password: str) -> bool:
        service.hasher.verify = verify  # type: ignore[method-assign] # once only
        await _guess(service, 5)
        return await verify(password_hash, password)

    service.hasher.verify = slow  # type: ignore[method-assign]
    with pytest.raises(TooManyAttempts):
        await service.sign_in()

    assert not [each for each in await service.database.rows("sessions") if each.user_id == user_id]


async def test_a_flood_is_refused_before_anything_is_asked(service: LocalService) -> None:
    """Known or not: no statement, no hash, nothing counted."""
    await service.user()
    hashes, entries = len(service.hasher.verified), len(await service.database.entries())
    service.hasher.is_full = True
    for email in ("ada@example.com", "unknown@example.com"):
        with pytest.raises(HashingOverloaded) as caught:
            await service.sign_in(email)
        assert caught.value.retry_after_seconds

    assert (len(service.hasher.verified), len(await service.database.entries())) == (hashes, entries)


async def test_attempts_that_were_given_up_are_not_counted(
    service: LocalService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that left, or whose deadline passed, has learned nothing. An overload would lock it out."""
    await service.user()
    hashing = asyncio.Event()

    async def hang(*_: object) -> bool:
        hashing.set()
        await asyncio.Event().wait()
        return False

    with monkeypatch.context() as hanging:
        hanging.setattr(service.hasher, "verify", hang)
        for _ in range(FAILURES_MAX + 1):
            hashing.clear()
            attempt = asyncio.create_task(service.sign_in())
            await hashing.wait()
            attempt.cancel()
            with pytest.raises(asyncio.CancelledError):
                await attempt

    await service.sign_in()


async def test_a_sign_in_that_cannot_store_a_stronger_hash(
    service: LocalService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Is a sign-in nevertheless: its session is open."""
    await service.user()
    service.hasher.generation = 2

    async def unavailable(*_: object) -> None:
        raise Unavailable

    monkeypatch.setattr(PostgresCredentials, "rehash", unavailable)
    await service.sign_in()
