"""Changing an address: verifying the new one, and notifying the old one."""

from datetime import timedelta
from uuid import UUID

import pytest
from auth_service.domain.email_change import MAILS_TO_ONE_TARGET_MAX
from auth_service.domain.errors import EmailTaken, InvalidCredentials
from auth_service.domain.mail import MailKind
from auth_service.usecases.mail_delivery import SendMails
from chassis.errors import TokenInvalid, Unavailable
from chassis.identity.caller import Caller

from tests.auth_service.world import EMAIL, PASSWORD, World, a_client, a_service
from tests.fakes.auth_service.mail_sender import FakeMailSender
from tests.fakes.auth_service.secrets import FakeMailTokens

NEW, NEWER, OTHER = "new@example.com", "newer@example.com", "grace@example.com"
ASKED, DONE, PROOF = MailKind.EMAIL_CHANGE_REQUESTED, MailKind.EMAIL_CHANGED, MailKind.EMAIL_CHANGE


class Mails:
    """What goes out."""

    def __init__(self, world: World) -> None:
        self.sender = FakeMailSender()
        self._send = SendMails(world.units, FakeMailTokens(), self.sender)

    async def sent(self) -> dict[MailKind, tuple[str | None, str]]:
        """Sends what waits; returns receiver and token of the last mail of each kind."""
        self.sender.sent.clear()
        await self._send()
        return {mail.kind: (mail.to, mail.token) for mail in self.sender.sent}


@pytest.fixture(name="mails")
def _mails(world: World) -> Mails:
    return Mails(world)


async def ask(world: World, user_id: UUID, email: str | None = NEW, present: str = EMAIL) -> None:
    """Has a user ask for another address; None takes it back."""
    world.directory.put(user_id, present, pending_email=email, email_verified=True)
    await world.accounts.sync_account(user_id=user_id, caller=a_service())


async def verify(world: World, token: str) -> None:
    """Proves an address."""
    await world.emails.verify_email(token=token, caller=a_client())


async def undo_change(world: World, token: str) -> None:
    """Takes a change back."""
    await world.emails.undo_email_change(token=token, caller=a_client())


async def forget(world: World, email: str) -> None:
    """Asks for a new password."""
    await world.passwords.forgot_password(email=email, caller=a_client())


async def test_until_it_is_proven_everything_stays(world: World, mails: Mails) -> None:
    """The new address gets the link and nothing else; the old one is notified, and stays."""
    user_id = await world.user()
    await mails.sent()
    await ask(world, user_id)
    sent = await mails.sent()

    assert {kind: to for kind, (to, _) in sent.items()} == {PROOF: NEW, ASKED: EMAIL}
    await world.sign_in()
    with pytest.raises(InvalidCredentials):
        await world.auth.login(email=NEW, password=PASSWORD, caller=a_client())
    await forget(world, EMAIL)
    assert (await mails.sent())[MailKind.PASSWORD_RESET][0] == EMAIL


async def test_the_proof_makes_it_the_address(world: World, mails: Mails) -> None:
    """At both services; the former address is notified again, and its reset link is invalid."""
    user_id = await world.user()
    session = await world.sign_in()
    await forget(world, EMAIL)
    _, reset = (await mails.sent())[MailKind.PASSWORD_RESET]
    await ask(world, user_id)
    _, proof = (await mails.sent())[PROOF]

    await verify(world, proof)

    await world.auth.login(email=NEW, password=PASSWORD, caller=a_client())
    with pytest.raises(InvalidCredentials):
        await world.sign_in()
    await world.auth.refresh(refresh_token=session.refresh_token, caller=a_client())
    assert {kind: to for kind, (to, _) in (await mails.sent()).items()} == {DONE: EMAIL}
    with pytest.raises(TokenInvalid):
        await world.passwords.reset_password(
            token=reset, new_password="another stone lamp", caller=a_client()
        )
    with pytest.raises(TokenInvalid):
        await verify(world, proof)
    assert ("auth.email_verified", "success") in await world.database.actions()
    assert EMAIL not in repr(await world.database.entries())
    assert NEW not in repr(await world.database.entries())


async def test_a_proof_waits_for_user_service(world: World, mails: Mails) -> None:
    """Nothing is used up meanwhile."""
    user_id = await world.user()
    await ask(world, user_id)
    _, proof = (await mails.sent())[PROOF]
    world.directory.away = True
    with pytest.raises(Unavailable):
        await verify(world, proof)
    world.directory.away = False

    await verify(world, proof)


async def test_the_last_one_asked_for_wins(world: World, mails: Mails) -> None:
    """Proofs of another are useless; so are they once it is taken back."""
    user_id = await world.user()
    await ask(world, user_id, NEW)
    _, first = (await mails.sent())[PROOF]
    await ask(world, user_id, NEWER)
    to, second = (await mails.sent())[PROOF]
    assert to == NEWER
    with pytest.raises(TokenInvalid):
        await verify(world, first)

    await ask(world, user_id, None)

    with pytest.raises(TokenInvalid):
        await verify(world, second)
    assert not await mails.sent()


async def test_the_owner_of_a_taken_address_is_notified(world: World, mails: Mails) -> None:
    """And no one else: what is stored about the request is the same as for a free address."""
    ada, grace = await world.user(), await world.user(OTHER)
    await mails.sent()
    await ask(world, ada, "GRACE@example.com")
    sent = await mails.sent()

    assert sent[MailKind.EMAIL_IN_USE] == (OTHER, "")
    assert PROOF not in sent
    tokens = [(row.user_id, row.kind) for row in await world.database.rows("mailed_tokens")]
    assert tokens[-2:] == [(ada, PROOF), (ada, ASKED)]
    assert (grace, PROOF) not in tokens


async def test_two_ask_for_one_address(world: World, mails: Mails) -> None:
    """The first to verify it gets it; the other gets an error, and can ask again."""
    ada, grace = await world.user(), await world.user(OTHER)
    await ask(world, ada)
    _, adas = (await mails.sent())[PROOF]
    await ask(world, grace, present=OTHER)
    _, graces = (await mails.sent())[PROOF]
    await verify(world, graces)

    for _ in range(2):
        with pytest.raises(EmailTaken):
            await verify(world, adas)
    assert (await world.database.actions())[-1] == ("auth.email_verified", "refused")
    await world.sign_in()


async def test_asking_for_the_proof_again(world: World, mails: Mails) -> None:
    """It goes to the pending address as long as there is one."""
    user_id = await world.user()
    await ask(world, user_id)
    await mails.sent()
    caller = Caller(user_id=user_id, client_address="192.0.2.1")
    await world.emails.resend_verification(caller=caller)
    to, proof = (await mails.sent())[PROOF]

    assert to == NEW
    await verify(world, proof)


async def test_an_auth_service_of_the_release_before(world: World, mails: Mails) -> None:
    """It copied the version and not the address that is asked for: asking again makes up for it."""
    user_id = await world.user()
    await mails.sent()
    user = world.directory.put(user_id, EMAIL, pending_email=NEW, email_verified=True)
    async with world.units.transaction() as unit:
        await unit.credentials.copy(user, world.directory.users[user_id].version)

    await world.emails.resend_verification(caller=Caller(user_id=user_id))

    sent = await mails.sent()
    assert {kind: to for kind, (to, _) in sent.items()} == {PROOF: NEW, ASKED: EMAIL}
    await verify(world, sent[PROOF][1])


async def test_mails_to_one_address_are_bounded(world: World, mails: Mails) -> None:
    """Whichever user asks for it, taken or not; the next hour counts again."""
    users = [await world.user(f"user-{number}@example.com") for number in range(2)]
    await mails.sent()
    taken = 0
    for number in range(3 * MAILS_TO_ONE_TARGET_MAX):
        await ask(world, users[number % 2], None, f"user-{number % 2}@example.com")
        await ask(world, users[number % 2], NEW, f"user-{number % 2}@example.com")
        taken += (await mails.sent()).get(PROOF, ("", ""))[0] == NEW

    assert taken == MAILS_TO_ONE_TARGET_MAX
    world.clock.advance(timedelta(hours=1))
    await world.emails.resend_verification(caller=Caller(user_id=users[0]))
    assert (await mails.sent())[PROOF][0] == NEW


async def test_deactivated_while_pending(world: World, mails: Mails) -> None:
    """The proof is useless, before and after user-service has dropped what was pending."""
    user_id = await world.user()
    await ask(world, user_id)
    _, proof = (await mails.sent())[PROOF]
    world.directory.put(user_id, EMAIL, is_active=False)
    await world.accounts.sync_account(user_id=user_id, caller=a_service())

    with pytest.raises(TokenInvalid):
        await verify(world, proof)


async def test_erased_while_pending(world: World, mails: Mails) -> None:
    """Nothing waits, and no link works."""
    user_id = await world.user()
    await ask(world, user_id)
    sent = await mails.sent()
    world.directory.erase(user_id)
    await world.accounts.sync_account(user_id=user_id, caller=a_service())

    for token in (sent[PROOF][1], sent[ASKED][1]):
        with pytest.raises(TokenInvalid):
            await verify(world, token)
        with pytest.raises(TokenInvalid):
            await undo_change(world, token)
    for table in ("former_emails", "credentials", "mailed_tokens"):
        assert not await world.database.rows(table)
