"""Changes whose response was lost: a retry gets the result, and changes nothing."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from auth_service.domain.errors import PasskeyRefused
from auth_service.domain.mail import MailKind
from auth_service.domain.second_factor import Challenge
from auth_service.domain.session import SessionLimits
from auth_service.domain.tokens import Tokens
from chassis.errors import NotFound, TokenExpired, TokenRevoked, Unavailable
from chassis.idempotency.record import IdempotencyRecord, Request
from chassis.identity.caller import Caller

from tests.auth_service.clocked_postgres import ClockedPostgres
from tests.auth_service.local_service import EMAIL, PASSWORD, LocalService, a_client, build_service
from tests.auth_service.usecases.test_mails import NEW

Make = Callable[[IdempotencyRecord], Awaitable[Any]]
HOUR = timedelta(hours=1)


class Crash(Exception):
    """The process died after the change and before its response was stored."""


async def _ask(service: LocalService, make: Make, *, dies: bool = False) -> Any:
    """Makes a call under the one key of this test; returns the result."""
    replayed: list[Any] = []

    async def work(idempotency: IdempotencyRecord) -> tuple[bytes, bool]:
        replayed.append(await make(idempotency))
        if dies:
            raise Crash
        return b"response", True

    run_once = service.run_once
    call = run_once(
        caller=a_client(), client_key="key", request=Request(asked=b"asked"), seconds=1.0, run=work
    )
    if dies:
        with pytest.raises(Crash):
            await call
    else:
        assert await call == (b"response", False)
    return replayed[0]


async def _lost_and_replayed(
    service: LocalService, make: Make, *, after: timedelta = HOUR
) -> tuple[Any, Any]:
    """Returns the result that was lost, and the one of the retry."""
    lost = await _ask(service, make, dies=True)
    entries = len(await service.database.actions())
    service.clock.advance(after)
    replayed = await _ask(service, make)
    assert len(await service.database.actions()) == entries, "nothing happened a second time"
    return lost, replayed


async def _signed_in(service: LocalService) -> Caller:
    return service.signed_in(await service.user(proven=True), await service.sign_in())


def _refreshes(service: LocalService, token: str) -> Make:
    async def refresh(idempotency: IdempotencyRecord) -> Tokens:
        return await service.auth.refresh(refresh_token=token, caller=a_client(), idempotency=idempotency)

    return refresh


async def test_a_refresh_gives_the_same_successor(service: LocalService) -> None:
    """Long after the ten seconds of two tabs, and the session is not advanced a second time."""
    await service.user(proven=True)
    signed_in = await service.sign_in()

    lost, replayed = await _lost_and_replayed(service, _refreshes(service, signed_in.refresh_token))

    assert replayed.refresh_token == lost.refresh_token
    assert (await service.database.session(service.session_of(replayed))).counter == 1


async def test_the_second_of_two_tabs_gets_it_too(service: LocalService) -> None:
    """It got the successor in time, and lost it."""
    await service.user(proven=True)
    signed_in = await service.sign_in()
    first = await service.auth.refresh(refresh_token=signed_in.refresh_token, caller=a_client())

    lost, replayed = await _lost_and_replayed(service, _refreshes(service, signed_in.refresh_token))

    assert first.refresh_token == lost.refresh_token == replayed.refresh_token


async def test_a_spent_token_without_the_key_ends_the_session(service: LocalService) -> None:
    """A thief does not know the key, and neither does a call that did not spend the token."""
    await service.user(proven=True)
    signed_in = await service.sign_in()
    await service.auth.refresh(refresh_token=signed_in.refresh_token, caller=a_client())
    service.clock.advance(HOUR)

    with pytest.raises(TokenRevoked):
        await _ask(service, _refreshes(service, signed_in.refresh_token))
    assert (await service.database.actions())[-1] == ("auth.refresh_reused", "refused")


async def test_a_successor_in_use_is_not_given_again(service: LocalService) -> None:
    """Another client has it, so the token before it is spent, with the key as well."""
    await service.user(proven=True)
    refresh = _refreshes(service, (await service.sign_in()).refresh_token)
    lost = await _ask(service, refresh, dies=True)
    await service.auth.refresh(refresh_token=lost.refresh_token, caller=a_client())
    service.clock.advance(HOUR)

    with pytest.raises(TokenRevoked):
        await _ask(service, refresh)
    assert (await service.database.actions())[-1] == ("auth.refresh_reused", "refused")


async def test_an_idle_session_is_not_revived(database: ClockedPostgres) -> None:
    """By retrying a refresh or a sign-in too late for a strict profile."""
    limits = SessionLimits(idle=HOUR, lifetime=12 * HOUR, access=timedelta(minutes=5))
    for by_refresh in (True, False):
        await database.empty()
        service = build_service(database, limits)
        await service.user(proven=True)
        signed_in = await service.sign_in()
        make = _refreshes(service, signed_in.refresh_token) if by_refresh else _signs_in(service)
        await _ask(service, make, dies=True)
        service.clock.advance(HOUR)

        with pytest.raises(TokenExpired):
            await _ask(service, make)


def _signs_in(service: LocalService) -> Make:
    async def login(idempotency: IdempotencyRecord) -> Tokens | Challenge:
        return await service.auth.login(
            email=EMAIL, password=PASSWORD, caller=a_client(), idempotency=idempotency
        )

    return login


async def test_a_sign_in_opens_one_session(service: LocalService) -> None:
    """The second answer is of the session whose tokens were lost, unless that has ended."""
    await service.user(proven=True)

    lost, replayed = await _lost_and_replayed(service, _signs_in(service))

    assert service.session_of(lost) == service.session_of(replayed)
    assert len(await service.database.rows("sessions")) == 1


async def test_a_session_that_ended_stays_ended(service: LocalService) -> None:
    """Signing out everywhere ends the session whose tokens were lost as well."""
    user_id = await service.user(proven=True)
    here = service.signed_in(user_id, await service.sign_in())
    await _ask(service, _signs_in(service), dies=True)
    await service.auth.logout_all(caller=here)

    with pytest.raises(TokenRevoked):
        await _ask(service, _signs_in(service))


async def test_a_second_factor_opens_one_session(service: LocalService) -> None:
    """Its code and its token were spent by the call whose answer was lost."""
    caller = await _signed_in(service)
    mfa = service.mfa
    await service.turn_on_totp(caller)
    issued = await service.auth.login(email=EMAIL, password=PASSWORD, caller=a_client())
    assert isinstance(issued, Challenge)
    code = service.totp()

    async def verify(idempotency: IdempotencyRecord) -> Tokens:
        return await mfa.verify_mfa(
            mfa_token=issued.token, code=code, caller=a_client(), idempotency=idempotency
        )

    lost, replayed = await _lost_and_replayed(service, verify)

    assert service.session_of(lost) == service.session_of(replayed)


async def test_recovery_codes_are_shown_again(service: LocalService) -> None:
    """The second factor is on, and would lock out a user who lost the codes."""
    caller = await _signed_in(service)
    await service.mfa.begin_totp(caller=caller)
    code = service.totp()

    async def confirm(idempotency: IdempotencyRecord) -> Any:
        return await service.mfa.confirm_totp(code=code, caller=caller, idempotency=idempotency)

    lost, replayed = await _lost_and_replayed(service, confirm)

    assert lost == replayed


async def test_passkeys_are_added_and_used_once(service: LocalService) -> None:
    """The challenge is spent, and so is what the authenticator signed."""
    caller = await _signed_in(service)
    passkeys = service.passkeys
    begun = await passkeys.begin_passkey(password=PASSWORD, caller=caller)
    attestation = {"challenge": begun["challenge"], "id": "phone", "by": "phone"}

    async def add(idempotency: IdempotencyRecord) -> Any:
        return await passkeys.add_passkey(
            name="Phone", attestation=attestation, caller=caller, idempotency=idempotency
        )

    lost, replayed = await _lost_and_replayed(service, add)
    assert lost == replayed

    (known,) = await passkeys.list_passkeys(caller=caller)
    await passkeys.remove_passkey(passkey_id=known.id, password=PASSWORD, caller=caller)
    with pytest.raises(NotFound):
        await add(IdempotencyRecord(attempt_id=known.id, fingerprint=b"", outcome=known.id))


async def test_a_passkey_opens_one_session(service: LocalService) -> None:
    """However often the same assertion comes under the same key."""
    user_id = await service.user(proven=True)
    caller = service.signed_in(user_id, await service.sign_in())
    passkeys = service.passkeys
    begun = await passkeys.begin_passkey(password=PASSWORD, caller=caller)
    made = {"challenge": begun["challenge"], "id": "phone", "by": "phone"}
    await passkeys.add_passkey(name="Phone", attestation=made, caller=caller)
    options = await passkeys.begin_passkey_login()
    assertion = {**made, "challenge": options["challenge"], "user": user_id, "count": 3}

    async def login(idempotency: IdempotencyRecord) -> Tokens:
        return await passkeys.login_with_passkey(
            assertion=assertion, caller=a_client(), idempotency=idempotency
        )

    lost, replayed = await _lost_and_replayed(service, login)

    assert service.session_of(lost) == service.session_of(replayed)

    (known,) = await passkeys.list_passkeys(caller=caller)
    await passkeys.remove_passkey(passkey_id=known.id, password=PASSWORD, caller=caller)
    session_id = service.session_of(lost)
    with pytest.raises(PasskeyRefused):
        await login(IdempotencyRecord(attempt_id=session_id, fingerprint=b"", outcome=session_id))


async def test_an_api_key_is_shown_again(service: LocalService) -> None:
    """One key is made, and it is the one that is shown; not when it was deleted since."""
    caller = await _signed_in(service)
    keys = service.api_keys

    async def create(idempotency: IdempotencyRecord) -> Any:
        return await keys.create_api_key(
            name="report", scopes=["read"], expires_at=None, caller=caller, idempotency=idempotency
        )

    lost, replayed = await _lost_and_replayed(service, create)

    assert lost == replayed
    assert (await service.ports.verify_api_key(text=replayed[1], caller=a_client())).key.id == replayed[0].id
    (listed,) = await keys.list_api_keys(caller=caller)
    await keys.revoke_api_key(key_id=listed.id, caller=caller)
    with pytest.raises(NotFound):
        await create(IdempotencyRecord(attempt_id=listed.id, fingerprint=b"", outcome=listed.id))


@pytest.mark.parametrize("kind", [MailKind.PASSWORD_RESET, MailKind.EMAIL_VERIFICATION])
async def test_mailed_tokens_are_spent_once(service: LocalService, kind: MailKind) -> None:
    """The new password counts, the address is verified: that is what is replayed."""
    await service.user()
    await service.passwords.forgot_password(email=EMAIL, caller=a_client())
    sender = await service.send_mails()
    (token,) = [mail.token for mail in sender.sent if mail.kind is kind]

    async def spend(idempotency: IdempotencyRecord) -> None:
        if kind is MailKind.EMAIL_VERIFICATION:
            await service.emails.verify_email(token=token, caller=a_client(), idempotency=idempotency)
        else:
            await service.passwords.reset_password(
                token=token, new_password=NEW, caller=a_client(), idempotency=idempotency
            )

    await _lost_and_replayed(service, spend)


async def test_an_attempt_presumed_dead_changes_nothing(service: LocalService) -> None:
    """Of two calls under one record one makes the change; the other has changed nothing."""
    await service.user(proven=True)
    lost = await _ask(service, _signs_in(service), dies=True)
    (row,) = await service.database.rows("attempts")
    unaware = IdempotencyRecord(attempt_id=row.attempt_id, fingerprint=row.fingerprint)

    with pytest.raises(Unavailable):
        await _signs_in(service)(unaware)

    assert [row.id for row in await service.database.rows("sessions")] == [service.session_of(lost)]
