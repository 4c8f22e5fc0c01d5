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

from tests.auth_service.local_service import EMAIL, PASSWORD, LocalService, a_client, a_service
from tests.fakes.auth_service.mail_sender import FakeMailSender
from tests.fakes.auth_service.secrets import FakeMailTokens

NEW, NEWER, OTHER = "new@example.com", "newer@example.com", "grace@example.com"
ASKED, DONE, PROOF = MailKind.EMAIL_CHANGE_REQUESTED, MailKind.EMAIL_CHANGED, MailKind.EMAIL_CHANGE


class Mails:
    """What goes out."""

    def __init__(self, service: LocalService) -> None:
        self.sender = FakeMailSender()
        self._send = SendMails(service.units, FakeMailTokens(), self.sender)

    async def sent(self) -> dict[MailKind, tuple[str | None, str]]:
        """Sends what waits; returns receiver and token of the last mail of each kind."""
        self.sender.sent.clear()
        await self._send()
        return {mail.kind: (mail.to, mail.token) for mail in self.sender.sent}


@pytest.fixture(name="mails")
def _mails(service: LocalService) -> Mails:
    return Mails(service)


async def ask(service: LocalService, user_id: UUID, email: str | None = NEW, present: str = EMAIL) -> None:
    """Has a user ask for another address; None takes it back."""
    service.directory.put(user_id, present, pending_email=email, email_verified=True)
    await service.accounts.sync_account(user_id=user_id, caller=a_service())


async def verify(service: LocalService, token: str) -> None:
    """Proves an address."""
    await service.emails.verify_email(token=token, caller=a_client())


async def undo_change(service: LocalService, token: str) -> None:
    """Takes a change back."""
    await service.emails.undo_email_change(token=token, caller=a_client())


async def forget(service: LocalService, email: str) -> None:
    """Asks for a new password."""
    await service.passwords.forgot_password(email=email, caller=a_client())


async def test_until_it_is_proven_everything_stays(service: LocalService, mails: Mails) -> None:
    """The new address gets the link and nothing else; the old one is notified, and stays."""
    user_id = await service.user()
    await mails.sent()
    await ask(service, user_id)
    sent = await mails.sent()

    assert {kind: to for kind, (to, _) in sent.items()} == {PROOF: NEW, ASKED: EMAIL}
    await service.sign_in()
    with pytest.raises(InvalidCredentials):
        await service.auth.login(email=NEW, password=PASSWORD, caller=a_client())
    await forget(service, EMAIL)
    assert (await mails.sent())[MailKind.PASSWORD_RESET][0] == EMAIL


async def test_the_proof_makes_it_the_address(service: LocalService, mails: Mails) -> None:
    """At both services; the former address is notified again, and its reset link is invalid."""
    user_id = await service.user()
    session = await service.sign_in()
    await forget(service, EMAIL)
    _, reset = (await mails.sent())[MailKind.PASSWORD_RESET]
    await ask(service, user_id)
    _, proof = (await mails.sent())[PROOF]

    await verify(service, proof)

    await service.auth.login(email=NEW, password=PASSWORD, caller=a_client())
    with pytest.raises(InvalidCredentials):
        await service.sign_in()
    await service.auth.refresh(refresh_token=session.refresh_token, caller=a_client())
    assert {kind: to for kind, (to, _) in (await mails.sent()).items()} == {DONE: EMAIL}
    with pytest.raises(TokenInvalid):
        await service.passwords.reset_password(
            token=reset, new_password="another stone lamp", caller=a_client()
        )
    with pytest.raises(TokenInvalid):
        await verify(service, proof)
    assert ("auth.email_verified", "success") in await service.database.actions()
    assert EMAIL not in repr(await service.database.entries())
    assert NEW not in repr(await service.database.entries())


async def test_a_proof_waits_for_user_service(service: LocalService, mails: Mails) -> None:
    """Nothing is used up meanwhile."""
    user_id = await service.user()
    await ask(service, user_id)
    _, proof = (await mails.sent())[PROOF]
    service.directory.away = True
    with pytest.raises(Unavailable):
        await verify(service, proof)
    service.directory.away = False

    await verify(service, proof)


async def test_a_link_whose_call_died_works_again(service: LocalService, mails: Mails) -> None:
    """auth-service died after user-service had made the change, whose event was quicker than a second try."""
    user_id = await service.user()
    await ask(service, user_id)
    _, proof = (await mails.sent())[PROOF]
    await service.directory.confirm_email(user_id, NEW)
    await service.accounts.sync_account(user_id=user_id, caller=a_service())

    await verify(service, proof)

    await service.auth.login(email=NEW, password=PASSWORD, caller=a_client())
    with pytest.raises(TokenInvalid):
        await verify(service, proof)


async def test_a_link_whose_call_died_proves_no_other_address(service: LocalService, mails: Mails) -> None:
    """Once the user has moved on it is useless, as any other link to a former address."""
    user_id = await service.user()
    await ask(service, user_id)
    _, proof = (await mails.sent())[PROOF]
    await service.directory.confirm_email(user_id, NEW)
    await service.accounts.sync_account(user_id=user_id, caller=a_service())
    await ask(service, user_id, NEWER, present=NEW)
    with pytest.raises(TokenInvalid):
        await verify(service, proof)
    _, newer = (await mails.sent())[PROOF]
    await verify(service, newer)

    with pytest.raises(TokenInvalid):
        await verify(service, proof)


async def test_the_last_one_asked_for_wins(service: LocalService, mails: Mails) -> None:
    """Proofs of another are useless; so are they once it is taken back."""
    user_id = await service.user()
    await ask(service, user_id, NEW)
    _, first = (await mails.sent())[PROOF]
    await ask(service, user_id, NEWER)
    to, second = (await mails.sent())[PROOF]
    assert to == NEWER
    with pytest.raises(TokenInvalid):
        await verify(service, first)

    await ask(service, user_id, None)

    with pytest.raises(TokenInvalid):
        await verify(service, second)
    assert not await mails.sent()


async def test_the_owner_of_a_taken_address_is_notified(service: LocalService, mails: Mails) -> None:
    """And no one else: what is stored about the request is the same as for a free address."""
    ada, grace = await service.user(), await service.user(OTHER)
    await mails.sent()
    await ask(service, ada, "GRACE@example.com")
    sent = await mails.sent()

    assert sent[MailKind.EMAIL_IN_USE] == (OTHER, "")
    assert PROOF not in sent
    tokens = [(row.user_id, row.kind) for row in await service.database.rows("mailed_tokens")]
    assert {(ada, PROOF), (ada, ASKED)} <= set(tokens)
    assert (grace, PROOF) not in tokens


async def test_two_ask_for_one_address(service: LocalService, mails: Mails) -> None:
    """The first to verify it gets it; the other gets an error, and can ask again."""
    ada, grace = await service.user(), await service.user(OTHER)
    await ask(service, ada)
    _, adas = (await mails.sent())[PROOF]
    await ask(service, grace, present=OTHER)
    _, graces = (await mails.sent())[PROOF]
    await verify(service, graces)

    for _ in range(2):
        with pytest.raises(EmailTaken):
            await verify(service, adas)
    assert (await service.database.actions())[-1] == ("auth.email_verified", "refused")
    await service.sign_in()


async def test_asking_for_the_proof_again(service: LocalService, mails: Mails) -> None:
    """It goes to the pending address as long as there is one."""
    user_id = await service.user()
    await ask(service, user_id)
    await mails.sent()
    caller = Caller(user_id=user_id, client_address="192.0.2.1")
    await service.emails.resend_verification(caller=caller)
    to, proof = (await mails.sent())[PROOF]

    assert to == NEW
    await verify(service, proof)


async def test_an_auth_service_of_the_release_before(service: LocalService, mails: Mails) -> None:
    """It copied the version and not the address that is asked for: asking again makes up for it."""
    user_id = await service.user()
    await mails.sent()
    user = service.directory.put(user_id, EMAIL, pending_email=NEW, email_verified=True)
    async with service.units.transaction() as unit:
        await unit.credentials.copy(user, service.directory.users[user_id].version)

    await service.emails.resend_verification(caller=Caller(user_id=user_id))

    sent = await mails.sent()
    assert {kind: to for kind, (to, _) in sent.items()} == {PROOF: NEW, ASKED: EMAIL}
    await verify(service, sent[PROOF][1])


async def test_mails_to_one_address_are_bounded(service: LocalService, mails: Mails) -> None:
    """Whichever user asks for it, taken or not; the next hour counts again."""
    users = [await service.user(f"user-{number}@example.com") for number in range(2)]
    await mails.sent()
    taken = 0
    for number in range(3 * MAILS_TO_ONE_TARGET_MAX):
        await ask(service, users[number % 2], None, f"user-{number % 2}@example.com")
        await ask(service, users[number % 2], NEW, f"user-{number % 2}@example.com")
        taken += (await mails.sent()).get(PROOF, ("", ""))[0] == NEW

    assert taken == MAILS_TO_ONE_TARGET_MAX
    service.clock.advance(timedelta(hours=1))
    await service.emails.resend_verification(caller=Caller(user_id=users[0]))
    assert (await mails.sent())[PROOF][0] == NEW


async def test_deactivated_while_pending(service: LocalService, mails: Mails) -> None:
    """The proof is useless, before and after user-service has dropped what was pending."""
    user_id = await service.user()
    await ask(service, user_id)
    _, proof = (await mails.sent())[PROOF]
    service.directory.put(user_id, EMAIL, is_active=False)
    await service.accounts.sync_account(user_id=user_id, caller=a_service())

    with pytest.raises(TokenInvalid):
        await verify(service, proof)


async def test_erased_while_pending(service: LocalService, mails: Mails) -> None:
    """Nothing waits, and no link works."""
    user_id = await service.user()
    await ask(service, user_id)
    sent = await mails.sent()
    service.directory.erase(user_id)
    await service.accounts.sync_account(user_id=user_id, caller=a_service())

    for token in (sent[PROOF][1], sent[ASKED][1]):
        with pytest.raises(TokenInvalid):
            await verify(service, token)
        with pytest.raises(TokenInvalid):
            await undo_change(service, token)
    for table in ("former_emails", "credentials", "mailed_tokens"):
        assert not await service.database.rows(table)
