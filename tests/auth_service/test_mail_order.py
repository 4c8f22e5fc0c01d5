"""Which link is valid when a mail server delays mails: real Postgres, a real SMTP server."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from auth_service.usecases.mail_delivery import SendMails
from chassis.errors import RemoteError
from vestibule.auth.v1 import email_service_pb2, password_service_pb2

from tests.auth_service.adapters.mail_server import MailServer
from tests.auth_service.local_service import EMAIL
from tests.auth_service.service import Service
from tests.auth_service.test_mail_outage import sender

LATER, TAKEN = "451 4.3.0 later", "250 OK"


@dataclass(frozen=True)
class Mails:
    """A registered user, a mail server, and what sends mails to it."""

    service: Service
    server: MailServer
    send: SendMails

    async def request(self) -> None:
        """Queues a mail with a reset link."""
        await self.service.passwords.ForgotPassword(password_service_pb2.ForgotPasswordRequest(email=EMAIL))

    async def request_and_send(self, answer: str = TAKEN) -> None:
        """Queues a mail with a reset link, and sends it to a server that answers so."""
        self.server.answer_to_data = answer
        await self.request()
        await self.send()

    async def send_delayed(self) -> None:
        """Sends the mails that were delayed, to a server that takes them."""
        self.server.answer_to_data = TAKEN
        await self.service.pool.execute("UPDATE auth.mails SET due_at = now()")
        await self.send()

    def tokens(self, page: str = "reset-password") -> list[str]:
        """Returns the tokens of the delivered links to a page, the first first."""
        texts = [message.get_body(("plain",)) for message in self.server.taken]
        found = [re.search(rf"{page}\?token=([\w-]+)", text.get_content()) for text in texts if text]
        return [match[1] for match in found if match]

    async def reset(self, token: str) -> None:
        """Sets a new password."""
        request = password_service_pb2.ResetPasswordRequest(token=token, new_password="another stone lamp")
        await self.service.passwords.ResetPassword(request)


@pytest.fixture(name="mails")
async def _mails(service: Service) -> AsyncIterator[Mails]:
    server = MailServer()
    async with server.running():
        mails = Mails(service, server, sender(service, server.port))
        await service.register()
        await mails.send()
        yield mails


async def test_a_delivered_link_outlives_a_delayed_mail(mails: Mails) -> None:
    """The user has one link, and it works."""
    await mails.request_and_send()
    await mails.request_and_send(LATER)
    (delivered,) = mails.tokens()

    await mails.reset(delivered)

    await mails.send_delayed()
    assert mails.tokens() == [delivered]


async def test_the_later_link_wins_once_it_is_delivered(mails: Mails) -> None:
    """Then the earlier one is invalid."""
    await mails.request_and_send()
    await mails.request_and_send(LATER)
    await mails.send_delayed()

    earlier, later = mails.tokens()
    with pytest.raises(RemoteError):
        await mails.reset(earlier)
    await mails.reset(later)


async def test_a_delayed_mail_does_not_follow_a_later_one(mails: Mails) -> None:
    """The later one was delivered by another instance while this one's attempt failed."""
    await mails.request_and_send(LATER)
    await mails.request_and_send()
    (delivered,) = mails.tokens()
    await mails.send_delayed()

    assert mails.tokens() == [delivered]
    await mails.reset(delivered)


async def test_an_earlier_mail_that_arrives_late_has_an_invalid_link(mails: Mails) -> None:
    """Both were being sent, and the later one was faster."""
    release = mails.server.hold_next()
    await mails.request()
    slow = asyncio.create_task(mails.send())
    await mails.server.arrived.wait()
    await mails.request_and_send()
    release.set()
    await slow
    later, earlier = mails.tokens()

    with pytest.raises(RemoteError):
        await mails.reset(earlier)
    await mails.reset(later)


async def test_verification_mails_keep_the_same_order(mails: Mails) -> None:
    """A registration's first link works while the second mail is delayed."""
    service = mails.service
    mails.server.answer_to_data = LATER
    service.come_as((await service.login()).access_token)
    await service.emails.ResendVerification(email_service_pb2.ResendVerificationRequest())
    await mails.send()
    (delivered,) = mails.tokens("verify-email")

    await service.emails.VerifyEmail(email_service_pb2.VerifyEmailRequest(token=delivered))


async def test_a_token_of_the_previous_release(mails: Mails) -> None:
    """It is valid, in the table that the previous release knows; ours are valid there."""
    service = mails.service
    await mails.request_and_send()
    (token,) = mails.tokens()
    assert await service.count("mail_tokens") == await service.count("mailed_tokens")
    await service.pool.execute("DELETE FROM auth.mailed_tokens")

    await mails.reset(token)

    assert await service.count("mail_tokens") == 0
