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
from auth_service.usecases.mail_delivery import SendMails
from chassis.identity.caller import Caller
from chassis.identity.role import Role

from tests.auth_service.clocked_postgres import ClockedPostgres
from tests.auth_service.local_service import EMAIL, PASSWORD, LocalService, a_client, build_service
from tests.fakes.auth_service.mail_sender import FakeMailSender
from tests.fakes.auth_service.secrets import FakeMailTokens

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/119.0.0.0 Safari/537.36"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0"


async def _sign_in(service: LocalService, user_agent: str = CHROME, address: str = "192.0.2.1") -> None:
    caller = replace(a_client(address), user_agent=user_agent)
    await service.auth.login(email=EMAIL, password=PASSWORD, caller=caller)


async def _notices(service: LocalService, kind: MailKind = MailKind.NEW_DEVICE) -> int:
    return (await service.database.queued()).count(kind)


async def test_a_new_device_is_reported_once(service: LocalService) -> None:
    """The first one of a user is no news; a newer version of the browser is no other device."""
    await service.user()
    await _sign_in(service)
    await _sign_in(service, CHROME.replace("119", "120"))
    await _sign_in(service, address="192.0.77.9")
    assert await _notices(service) == 0

    await _sign_in(service, FIREFOX)
    await _sign_in(service, FIREFOX)
    assert await _notices(service) == 1
    await _sign_in(service, address="198.51.100.7")
    assert await _notices(service) == 2


async def test_mails_are_in_the_language_of_their_reader(service: LocalService) -> None:
    """As the last sign-in of a known device says, not one that the user is notified of."""
    sender = FakeMailSender()
    send = SendMails(service.units, FakeMailTokens(), sender)

    async def sign_in(user_agent: str, language: str) -> str:
        caller = replace(a_client(), user_agent=user_agent, accept_language=language)
        await service.auth.login(email=EMAIL, password=PASSWORD, caller=caller)
        await service.passwords.forgot_password(email=EMAIL, caller=replace(a_client(), accept_language="fr"))
        await send()
        return sender.sent[-1].accept_language

    await service.user()
    assert await sign_in(CHROME, "de-AT") == "de-AT"
    assert await sign_in(FIREFOX, "en") == "de-AT"
    assert [mail.accept_language for mail in sender.sent if mail.kind is MailKind.NEW_DEVICE] == ["de-AT"]
    assert await sign_in(CHROME, "") == "de-AT"
    assert await sign_in(CHROME, "it") == "it"


async def test_a_wrong_password_is_no_sign_in(service: LocalService) -> None:
    """Nor does it make the device known."""
    await service.user()
    await _sign_in(service)
    caller = replace(a_client(), user_agent=FIREFOX)
    with pytest.raises(InvalidCredentials):
        await service.auth.login(email=EMAIL, password="wrong", caller=caller)
    assert (await _notices(service), len(await service.database.rows("known_devices"))) == (0, 1)


async def test_there_is_no_flood_of_mails(service: LocalService) -> None:
    """An intruder does not fill the mailbox by changing the User-Agent each time."""
    await service.user()
    for number in range(NOTICES_MAX + 10):
        await _sign_in(service, f"Browser {number}")
    assert await _notices(service) == NOTICES_MAX

    service.clock.advance(NOTICES_WINDOW + timedelta(seconds=1))
    await _sign_in(service, "Another browser")
    assert await _notices(service) == NOTICES_MAX + 1


async def test_two_at_once(service: LocalService) -> None:
    """One mail."""
    await service.user()
    await _sign_in(service)
    await asyncio.gather(*(_sign_in(service, FIREFOX) for _ in range(4)))
    assert await _notices(service) == 1


async def test_devices_are_each_users_own(service: LocalService) -> None:
    """One user's device is not known as another's."""
    ada = await service.user()
    bob = await service.user("bob@example.com")
    await _sign_in(service)
    assert {row.user_id for row in await service.database.rows("known_devices")} == {ada}
    await service.sign_in("bob@example.com")
    assert {row.user_id for row in await service.database.rows("known_devices")} == {ada, bob}


def test_devices() -> None:
    """By browser and provider's network; addresses that are none count as one."""
    assert device_of(CHROME, "192.0.2.1") == device_of(CHROME.replace("119.0", "120.1"), "192.0.200.9")
    assert device_of(CHROME, "192.0.2.1") != device_of(CHROME, "192.1.2.1")
    assert device_of("", "2001:db8::1") == device_of("", "2001:db8:ffff::1")
    assert device_of("", "2001:db8::1") != device_of("", "2001:db9::1")
    assert device_of("", "::ffff:192.0.2.1") == device_of("", "192.0.2.1")
    assert device_of("Phone 1", "") != device_of("Phone 2", "unknown")


async def _guarded(service: LocalService) -> UUID:
    user_id = await service.user(proven=True)
    caller = service.signed_in(user_id, await service.sign_in())
    step = int(service.clock.now().timestamp()) // 30
    await service.mfa.begin_totp(caller=caller)
    await service.mfa.confirm_totp(code=str(step - 1), caller=caller)
    return user_id


async def _guess(service: LocalService, times: int) -> None:
    issued = await service.auth.login(email=EMAIL, password=PASSWORD, caller=a_client())
    assert isinstance(issued, Challenge)
    for _ in range(times):
        with pytest.raises((InvalidCredentials, TooManyAttempts)):
            await service.mfa.verify_mfa(mfa_token=issued.token, code="wrong", caller=a_client())


async def test_guessed_codes_are_reported_once_per_block(service: LocalService) -> None:
    """They come from someone with the password."""
    await _guarded(service)
    await _guess(service, FAILURES_MAX - 1)
    assert await _notices(service, MailKind.SECOND_FACTOR_GUESSED) == 0
    await _guess(service, 10)
    assert await _notices(service, MailKind.SECOND_FACTOR_GUESSED) == 1

    service.clock.advance(BLOCK + timedelta(seconds=1))
    await _guess(service, FAILURES_MAX)
    assert await _notices(service, MailKind.SECOND_FACTOR_GUESSED) == 2


async def test_codes_guessed_in_a_session_count_as_well(service: LocalService) -> None:
    """Proving oneself once more is another way to guess."""
    user_id = await _guarded(service)
    (session,) = await service.database.rows("sessions")
    caller = Caller(user_id=user_id, role=Role.USER, session_id=session.id, client_address="192.0.2.1")
    for _ in range(FAILURES_MAX):
        with pytest.raises(InvalidCredentials):
            await service.auth.reauthenticate(password=PASSWORD, code="wrong", assertion=None, caller=caller)
    assert await _notices(service, MailKind.SECOND_FACTOR_GUESSED) == 1


async def test_turned_off(database: ClockedPostgres) -> None:
    """By setting, no mail is sent, and no device is stored."""
    service = build_service(database, notify=False)
    await _guarded(service)
    await _guess(service, FAILURES_MAX)
    await _sign_in(service, FIREFOX)

    assert await _notices(service, MailKind.SECOND_FACTOR_GUESSED) == 0
    assert not await service.database.rows("known_devices")
