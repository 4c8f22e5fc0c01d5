"""What a recovered account keeps of what an intruder has planted: nothing but the second factor."""

import asyncio
from dataclasses import dataclass
from uuid import UUID

import pytest
import pytest_asyncio
from auth_service.domain.errors import EmailNotVerified, PasskeyRefused
from auth_service.domain.events import EmailVerified
from auth_service.domain.mail import UNDO_TOKENS, MailKind
from auth_service.domain.second_factor import Challenge
from auth_service.usecases.bootstrap_admin import Bootstrap
from chassis.errors import Invalid, NotFound, TokenInvalid, TokenRevoked
from chassis.identity.caller import Caller
from chassis.identity.role import Role
from chassis.ids import uuid7

from tests.auth_service.clocked_postgres import ClockedPostgres
from tests.auth_service.local_service import (
    EMAIL,
    PASSWORD,
    LocalService,
    a_client,
    a_service,
    build_service,
)

NEW = "another stone lamp"


@dataclass(frozen=True)
class Planted:
    """An account that an intruder is in, by every way there is."""

    service: LocalService
    user_id: UUID
    intruder: Caller
    refresh_token: str
    key: str

    async def recover(self) -> None:
        """Lets the owner of the mailbox take the account over."""
        await self.service.passwords.forgot_password(email=EMAIL, caller=a_client())
        token = (await self.service.send_mails()).token(MailKind.PASSWORD_RESET)
        await self.service.passwords.reset_password(token=token, new_password=NEW, caller=a_client())


async def _key(service: LocalService, caller: Caller) -> str:
    _, text = await service.api_keys.create_api_key(
        name="report", scopes=["read"], expires_at=None, caller=caller
    )
    return text


async def plant(service: LocalService) -> Planted:
    """Returns an account that an intruder is in."""
    user_id = await service.user(proven=True)
    tokens = await service.sign_in()
    intruder = service.signed_in(user_id, tokens)
    await service.add_passkey(intruder)
    return Planted(service, user_id, intruder, tokens.refresh_token, await _key(service, intruder))


@pytest_asyncio.fixture(loop_scope="session", name="planted")
async def _planted(service: LocalService) -> Planted:
    return await plant(service)


async def test_keys_passkeys_and_sessions_end(planted: Planted) -> None:
    """By one revocation, which makes gateways forget the key too; the notice says so."""
    service = planted.service
    login = await service.passkeys.begin_passkey_login()
    await planted.recover()

    with pytest.raises(TokenRevoked):
        await service.ports.verify_api_key(text=planted.key, caller=a_client())
    with pytest.raises(TokenRevoked):
        await service.auth.refresh(refresh_token=planted.refresh_token, caller=a_client())
    answer = {"challenge": login["challenge"], "id": "phone", "by": "phone", "user": planted.user_id}
    with pytest.raises(PasskeyRefused):
        await service.passkeys.login_with_passkey(assertion=answer, caller=a_client())
    assert [each.user_id for each in await service.database.revocations()] == [planted.user_id]
    assert MailKind.PASSWORD_RECOVERED in await service.database.queued()


async def test_what_was_begun_cannot_be_finished(planted: Planted) -> None:
    """Neither a passkey's registration, nor an authenticator, nor a mailed token."""
    service = planted.service
    options = await service.passkeys.begin_passkey(password=PASSWORD, caller=planted.intruder)
    await service.mfa.begin_totp(caller=planted.intruder)
    await planted.recover()
    owner = service.signed_in(planted.user_id, await service.sign_in(password=NEW))

    assert not await service.database.rows("authenticators")
    assert not await service.database.rows("passkey_challenges")
    assert all(row.kind in UNDO_TOKENS for row in await service.database.rows("mailed_tokens"))
    with pytest.raises(NotFound):
        await service.mfa.confirm_totp(code=service.totp(), caller=owner)
    answer = {"challenge": options["challenge"], "id": "tablet", "by": "tablet"}
    with pytest.raises(Invalid):
        await service.passkeys.add_passkey(name="t", attestation=answer, caller=planted.intruder)
    assert not await service.database.rows("passkeys")


async def test_the_second_factor_stays(planted: Planted) -> None:
    """A mailbox alone does not open an account that asks for two factors; a pending sign-in ends."""
    service = planted.service
    await service.turn_on_totp(planted.intruder)
    pending = await service.auth.login(email=EMAIL, password=PASSWORD, caller=a_client())
    assert isinstance(pending, Challenge)
    await planted.recover()

    issued = await service.auth.login(email=EMAIL, password=NEW, caller=a_client())
    assert isinstance(issued, Challenge)
    with pytest.raises(TokenInvalid):
        await service.mfa.verify_mfa(mfa_token=pending.token, code=service.totp(), caller=a_client())


async def test_calls_under_way_add_nothing(planted: Planted) -> None:
    """A call that was let in before the recovery and waited for its lock finds its session ended."""
    service = planted.service
    await planted.recover()

    for call in (
        _key(service, planted.intruder),
        service.mfa.begin_totp(caller=planted.intruder),
        service.mfa.confirm_totp(code="1", caller=planted.intruder),
    ):
        with pytest.raises(TokenRevoked):
            await call
    assert not await service.database.rows("authenticators")


async def test_two_recoveries_at_once(planted: Planted) -> None:
    """The token counts once."""
    service = planted.service
    await service.passwords.forgot_password(email=EMAIL, caller=a_client())
    token = (await service.send_mails()).token(MailKind.PASSWORD_RESET)
    reset = service.passwords.reset_password
    outcomes = await asyncio.gather(
        *(reset(token=token, new_password=f"{NEW} {each}", caller=a_client()) for each in range(2)),
        return_exceptions=True,
    )

    assert [type(each) for each in outcomes if each is not None] == [TokenInvalid]


async def test_a_recovery_proves_the_address(service: LocalService) -> None:
    """The token came from the mailbox; user-service is notified."""
    user_id = await service.user()
    await Planted(service, user_id, a_client(), "", "").recover()

    assert EmailVerified(user_id) in await service.database.events()
    owner = service.signed_in(user_id, await service.sign_in(password=NEW))
    await _key(service, owner)


async def test_a_changed_password_keeps_keys_and_passkeys(planted: Planted) -> None:
    """Their owner knew the old one; what was begun elsewhere ends."""
    service = planted.service
    await service.mfa.begin_totp(caller=planted.intruder)
    await service.auth.change_password(old_password=PASSWORD, new_password=NEW, caller=planted.intruder)

    await service.ports.verify_api_key(text=planted.key, caller=a_client())
    assert await service.database.rows("passkeys")
    assert not await service.database.rows("authenticators")


async def test_nothing_is_set_up_on_an_address_that_is_not_proven(service: LocalService) -> None:
    """Neither key nor passkey nor second factor; once it is proven, all of them."""
    user_id = await service.user()
    caller = service.signed_in(user_id, await service.sign_in())
    for call in (
        _key(service, caller),
        service.mfa.begin_totp(caller=caller),
        service.mfa.confirm_totp(code="1", caller=caller),
        service.add_passkey(caller),
    ):
        with pytest.raises(EmailNotVerified):
            await call
    assert not await service.database.rows("api_keys")
    assert not await service.database.rows("authenticators")

    async with service.units.transaction() as unit:
        await unit.emails.verify(user_id)
    await _key(service, caller)
    await service.mfa.begin_totp(caller=caller)
    await service.add_passkey(caller)


async def test_an_address_changed_meanwhile_is_not_proven(service: LocalService) -> None:
    """A passkey that was begun on a proven address is not added on another."""
    user_id = await service.user(proven=True)
    caller = service.signed_in(user_id, await service.sign_in())
    options = await service.passkeys.begin_passkey(password=PASSWORD, caller=caller)
    service.directory.put(user_id, "other@example.com")
    await service.accounts.sync_account(user_id=user_id, caller=a_service())

    answer = {"challenge": options["challenge"], "id": "phone", "by": "phone"}
    with pytest.raises(EmailNotVerified):
        await service.passkeys.add_passkey(name="p", attestation=answer, caller=caller)
    assert ("auth.passkey_added", "refused") in await service.database.actions()


async def test_where_no_mail_can_be_sent(database: ClockedPostgres) -> None:
    """`AUTH_VERIFIED_EMAIL=off` lifts it."""
    service = build_service(database, verified_email=False)
    user_id = await service.user()
    caller = service.signed_in(user_id, await service.sign_in())

    await _key(service, caller)
    await service.mfa.begin_totp(caller=caller)
    await service.add_passkey(caller)


async def test_the_first_admin_is_proven(service: LocalService) -> None:
    """From the start: no mail is sent, and user-service has the address as verified."""
    bootstrap = service.bootstrap_admin
    assert await bootstrap(email=EMAIL, password=PASSWORD, user_id=uuid7()) is Bootstrap.CREATED

    (row,) = await service.database.rows("credentials")
    assert row.email_verified
    (account,) = service.directory.users.values()
    assert account.user is not None
    assert account.user.email_verified
    assert not await service.database.rows("mails")


async def test_the_first_admin_of_a_release_before(service: LocalService) -> None:
    """Is verified by the operator's setting; no other is."""
    ada = await service.user(role=Role.ADMIN)
    bob = await service.user("bob@example.com")
    bootstrap = service.bootstrap_admin
    assert (
        await bootstrap(email="bob@example.com", password=PASSWORD, user_id=uuid7()) is Bootstrap.NOT_NEEDED
    )
    assert await bootstrap(email=EMAIL, password=PASSWORD, user_id=uuid7()) is Bootstrap.NOT_NEEDED

    assert (await service.database.credential(ada)).email_verified
    assert not (await service.database.credential(bob)).email_verified
    assert EmailVerified(ada) in await service.database.events()
