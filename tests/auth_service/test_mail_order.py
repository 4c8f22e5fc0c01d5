"""Which link counts when a mail server puts mails off: real Postgres, a real SMTP server."""

import asyncio
import re

import pytest
from chassis.errors import RemoteError
from vestibule.auth.v1 import email_service_pb2, password_service_pb2

from tests.auth_service.adapters.mail_server import MailServer
from tests.auth_service.conftest import Service
from tests.auth_service.test_mail_outage import sender
from tests.auth_service.world import EMAIL

LATER, TAKEN = "451 4.3.0 later", "250 OK"


def _tokens(server: MailServer, page: str) -> list[str]:
    texts = [message.get_body(("plain",)) for message in server.taken]
    found = [re.search(rf"{page}\?token=([\w-]+)", text.get_content()) for text in texts if text]
    return [match[1] for match in found if match]


async def _forget(service: Service) -> None:
    await service.passwords.ForgotPassword(password_service_pb2.ForgotPasswordRequest(email=EMAIL))


async def _reset(service: Service, token: str) -> None:
    request = password_service_pb2.ResetPasswordRequest(token=token, new_password="another stone lamp")
    await service.passwords.ResetPassword(request)


async def _all_due(service: Service) -> None:
    await service.pool.execute("UPDATE auth.mails SET due_at = now()")


async def test_a_delivered_link_outlives_a_mail_put_off(service: Service) -> None:
    """The user has one link, and it works."""
    server = MailServer()
    async with server.running():
        send = sender(service, server.port)
        await service.register()
        await _forget(service)
        await send()
        server.answer_to_data = LATER
        await _forget(service)
        await send()
        (delivered,) = _tokens(server, "reset-password")

        await _reset(service, delivered)

        server.answer_to_data = TAKEN
        await _all_due(service)
        await send()
        assert _tokens(server, "reset-password") == [delivered]


async def test_the_later_link_wins_once_it_is_delivered(service: Service) -> None:
    """Then the earlier one is useless."""
    server = MailServer()
    async with server.running():
        send = sender(service, server.port)
        await service.register()
        await _forget(service)
        await send()
        server.answer_to_data = LATER
        await _forget(service)
        await send()
        server.answer_to_data = TAKEN
        await _all_due(service)
        await send()

        earlier, later = _tokens(server, "reset-password")
        with pytest.raises(RemoteError):
            await _reset(service, earlier)
        await _reset(service, later)


async def test_a_mail_put_off_does_not_follow_a_later_one(service: Service) -> None:
    """The later one was delivered by another instance while this one's attempt failed."""
    server = MailServer()
    async with server.running():
        send = sender(service, server.port)
        await service.register()
        await send()
        server.answer_to_data = LATER
        await _forget(service)
        await send()
        server.answer_to_data = TAKEN
        await _forget(service)
        await send()
        (delivered,) = _tokens(server, "reset-password")
        await _all_due(service)
        await send()

        assert _tokens(server, "reset-password") == [delivered]
        await _reset(service, delivered)


async def test_an_earlier_mail_on_its_way_arrives_with_a_dead_link(service: Service) -> None:
    """Both were on their way, and the later one was faster."""
    server = MailServer()
    async with server.running():
        send = sender(service, server.port)
        await service.register()
        await send()
        release = server.hold_next()
        await _forget(service)
        slow = asyncio.create_task(send())
        await server.arrived.wait()
        await _forget(service)
        await send()
        release.set()
        await slow
        later, earlier = _tokens(server, "reset-password")

        with pytest.raises(RemoteError):
            await _reset(service, earlier)
        await _reset(service, later)


async def test_verification_mails_keep_the_same_order(service: Service) -> None:
    """A registration's first link works while the second mail is put off."""
    server = MailServer()
    async with server.running():
        send = sender(service, server.port)
        await service.register()
        await send()
        server.answer_to_data = LATER
        service.come_as((await service.login()).access_token)
        await service.emails.ResendVerification(email_service_pb2.ResendVerificationRequest())
        await send()
        (delivered,) = _tokens(server, "verify-email")

        await service.emails.VerifyEmail(email_service_pb2.VerifyEmailRequest(token=delivered))


async def test_a_token_of_the_release_before(service: Service) -> None:
    """It is in the table that it knows, and counts; ours count there."""
    server = MailServer()
    async with server.running():
        send = sender(service, server.port)
        await service.register()
        await _forget(service)
        await send()
        (token,) = _tokens(server, "reset-password")
        assert await service.count("mail_tokens") == await service.count("mailed_tokens")
        await service.pool.execute("DELETE FROM auth.mailed_tokens")

        await _reset(service, token)

        assert await service.count("mail_tokens") == 0
