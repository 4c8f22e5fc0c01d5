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
from auth_service.domain.user import Role
from auth_service.usecases.bootstrap_admin import Bootstrap
from chassis.errors import Invalid, NotFound, TokenInvalid, TokenRevoked
from chassis.identity.caller import Caller
from chassis.ids import uuid7

from tests.auth_service.clocked_postgres import ClockedPostgres
from tests.auth_service.world import EMAIL, PASSWORD, World, a_client, a_service, build_world

NEW = "another stone lamp"


@dataclass(frozen=True)
class Planted:
    """An account that an intruder is in, by every way there is."""

    world: World
    user_id: UUID
    intruder: Caller
    refresh_token: str
    key: str

    async def recover(self) -> None:
        """Lets the owner of the mailbox take the account over."""
        await self.world.passwords.forgot_password(email=EMAIL, caller=a_client())
        token = (await self.world.send_mails()).token(MailKind.PASSWORD_RESET)
        await self.world.passwords.reset_password(token=token, new_password=NEW, caller=a_client())


async def _key(world: World, caller: Caller) -> str:
    _, text = await world.api_keys.create_api_key(
        name="report", scopes=["read"], expires_at=None, caller=caller
    )
    return text


async def plant(world: World) -> Planted:
    """Returns an account that an intruder is in."""
    user_id = await world.user(proven=True)
    tokens = await world.sign_in()
    intruder = world.signed_in(user_id, tokens)
    await world.add_passkey(intruder)
    return Planted(world, user_id, intruder, tokens.refresh_token, await _key(world, intruder))


@pytest_asyncio.fixture(loop_scope="session", name="planted")
async def _planted(world: World) -> Planted:
    return await plant(world)


async def test_keys_passkeys_and_sessions_end(planted: Planted) -> None:
    """By one revocation, which makes gateways forget the key too; the notice says so."""
    world = planted.world
    login = await world.passkeys.begin_passkey_login()
    await planted.recover()

    with pytest.raises(TokenRevoked):
        await world.ports.verify_api_key(text=planted.key, caller=a_client())
    with pytest.raises(TokenRevoked):
        await world.auth.refresh(refresh_token=planted.refresh_token, caller=a_client())
    answer = {"challenge": login["challenge"], "id": "phone", "by": "phone", "user": planted.user_id}
    with pytest.raises(PasskeyRefused):
        await world.passkeys.login_with_passkey(assertion=answer, caller=a_client())
    assert [each.user_id for each in await world.database.revocations()] == [planted.user_id]
    assert MailKind.PASSWORD_RECOVERED in await world.database.queued()


async def test_what_was_begun_cannot_be_finished(planted: Planted) -> None:
    """Neither a passkey's registration, nor an authenticator, nor a mailed token."""
    world = planted.world
    options = await world.passkeys.begin_passkey(password=PASSWORD, caller=planted.intruder)
    await world.mfa.begin_totp(caller=planted.intruder)
    await planted.recover()
    owner = world.signed_in(planted.user_id, await world.sign_in(password=NEW))

    assert not await world.database.rows("authenticators")
    assert not await world.database.rows("passkey_challenges")
    assert all(row.kind in UNDO_TOKENS for row in await world.database.rows("mailed_tokens"))
    with pytest.raises(NotFound):
        await world.mfa.confirm_totp(code=world.totp(), caller=owner)
    answer = {"challenge": options["challenge"], "id": "tablet", "by": "tablet"}
    with pytest.raises(Invalid):
        await world.passkeys.add_passkey(name="t", attestation=answer, caller=planted.intruder)
    assert not await world.database.rows("passkeys")


async def test_the_second_factor_stays(planted: Planted) -> None:
    """A mailbox alone does not open an account that asks for two factors; a pending sign-in ends."""
    world = planted.world
    await world.turn_on_totp(planted.intruder)
    pending = await world.auth.login(email=EMAIL, password=PASSWORD, caller=a_client())
    assert isinstance(pending, Challenge)
    await planted.recover()

    issued = await world.auth.login(email=EMAIL, password=NEW, caller=a_client())
    assert isinstance(issued, Challenge)
    with pytest.raises(TokenInvalid):
        await world.mfa.verify_mfa(mfa_token=pending.token, code=world.totp(), caller=a_client())


async def test_calls_under_way_add_nothing(planted: Planted) -> None:
    """A call that was let in before the recovery and waited for its lock finds its session ended."""
    world = planted.world
    await planted.recover()

    for call in (
        _key(world, planted.intruder),
        world.mfa.begin_totp(caller=planted.intruder),
        world.mfa.confirm_totp(code="1", caller=planted.intruder),
    ):
        with pytest.raises(TokenRevoked):
            await call
    assert not await world.database.rows("authenticators")


async def test_two_recoveries_at_once(planted: Planted) -> None:
    """The token counts once."""
    world = planted.world
    await world.passwords.forgot_password(email=EMAIL, caller=a_client())
    token = (await world.send_mails()).token(MailKind.PASSWORD_RESET)
    reset = world.passwords.reset_password
    outcomes = await asyncio.gather(
        *(reset(token=token, new_password=f"{NEW} {each}", caller=a_client()) for each in range(2)),
        return_exceptions=True,
    )

    assert [type(each) for each in outcomes if each is not None] == [TokenInvalid]


async def test_a_recovery_proves_the_address(world: World) -> None:
    """The token came from the mailbox; user-service is notified."""
    user_id = await world.user()
    await Planted(world, user_id, a_client(), "", "").recover()

    assert EmailVerified(user_id) in await world.database.events()
    owner = world.signed_in(user_id, await world.sign_in(password=NEW))
    await _key(world, owner)


async def test_a_changed_password_keeps_keys_and_passkeys(planted: Planted) -> None:
    """Their owner knew the old one; what was begun elsewhere ends."""
    world = planted.world
    await world.mfa.begin_totp(caller=planted.intruder)
    await world.auth.change_password(old_password=PASSWORD, new_password=NEW, caller=planted.intruder)

    await world.ports.verify_api_key(text=planted.key, caller=a_client())
    assert await world.database.rows("passkeys")
    assert not await world.database.rows("authenticators")


async def test_nothing_is_set_up_on_an_address_that_is_not_proven(world: World) -> None:
    """Neither key nor passkey nor second factor; once it is proven, all of them."""
    user_id = await world.user()
    caller = world.signed_in(user_id, await world.sign_in())
    for call in (
        _key(world, caller),
        world.mfa.begin_totp(caller=caller),
        world.mfa.confirm_totp(code="1", caller=caller),
        world.add_passkey(caller),
    ):
        with pytest.raises(EmailNotVerified):
            await call
    assert not await world.database.rows("api_keys")
    assert not await world.database.rows("authenticators")

    async with world.units.transaction() as unit:
        await unit.emails.verify(user_id)
    await _key(world, caller)
    await world.mfa.begin_totp(caller=caller)
    await world.add_passkey(caller)


async def test_an_address_changed_meanwhile_is_not_proven(world: World) -> None:
    """A passkey that was begun on a proven address is not added on another."""
    user_id = await world.user(proven=True)
    caller = world.signed_in(user_id, await world.sign_in())
    options = await world.passkeys.begin_passkey(password=PASSWORD, caller=caller)
    world.directory.put(user_id, "other@example.com")
    await world.accounts.sync_account(user_id=user_id, caller=a_service())

    answer = {"challenge": options["challenge"], "id": "phone", "by": "phone"}
    with pytest.raises(EmailNotVerified):
        await world.passkeys.add_passkey(name="p", attestation=answer, caller=caller)
    assert ("auth.passkey_added", "refused") in await world.database.actions()


async def test_where_no_mail_can_be_sent(database: ClockedPostgres) -> None:
    """`AUTH_VERIFIED_EMAIL=off` lifts it."""
    world = build_world(database, verified_email=False)
    user_id = await world.user()
    caller = world.signed_in(user_id, await world.sign_in())

    await _key(world, caller)
    await world.mfa.begin_totp(caller=caller)
    await world.add_passkey(caller)


async def test_the_first_admin_is_proven(world: World) -> None:
    """From the start: no mail is sent, and user-service has the address as verified."""
    bootstrap = world.bootstrap_admin
    assert await bootstrap(email=EMAIL, password=PASSWORD, user_id=uuid7()) is Bootstrap.CREATED

    (row,) = await world.database.rows("credentials")
    assert row.email_verified
    (account,) = world.directory.users.values()
    assert account.user is not None
    assert account.user.email_verified
    assert not await world.database.rows("mails")


async def test_the_first_admin_of_a_release_before(world: World) -> None:
    """Is verified by the operator's setting; no other is."""
    ada = await world.user(role=Role.ADMIN)
    bob = await world.user("bob@example.com")
    bootstrap = world.bootstrap_admin
    assert (
        await bootstrap(email="bob@example.com", password=PASSWORD, user_id=uuid7()) is Bootstrap.NOT_NEEDED
    )
    assert await bootstrap(email=EMAIL, password=PASSWORD, user_id=uuid7()) is Bootstrap.NOT_NEEDED

    assert (await world.database.credential(ada)).email_verified
    assert not (await world.database.credential(bob)).email_verified
    assert EmailVerified(ada) in await world.database.events()
