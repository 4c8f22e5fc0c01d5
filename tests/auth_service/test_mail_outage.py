"""A mail server that is down loses nothing: the queue on a real Postgres, the server a real one."""

import asyncio
import re
from datetime import timedelta
from email.headerregistry import Address
from email.message import EmailMessage

from auth_service.adapters.mail.composer import Composer
from auth_service.adapters.mail.sender import MailDelivery
from auth_service.adapters.mail.smtp_carrier import SmtpCarrier, SmtpServer
from auth_service.adapters.postgres.mails import MailQueueListener
from auth_service.adapters.postgres.unit_of_work import PostgresUnitsOfWork
from auth_service.domain.mail import MailKind, OutgoingMail
from auth_service.usecases.mail_delivery import SendMails
from chassis.clock import SystemClock
from chassis.ids import uuid7
from devstack.database import Database as DevelopmentDatabase
from structlog.testing import capture_logs
from vestibule.auth.v1 import email_service_pb2

from tests.auth_service.adapters.mail_server import MailServer
from tests.auth_service.conftest import MAIL_TOKENS
from tests.auth_service.service import Service
from tests.components import changed

PEOPLE = 5


def sender(service: Service, port: int) -> SendMails:
    """Returns what sends the queue to a server on this port."""
    sender = Address("Vestibule", addr_spec="no-reply@vestibule.test")
    carrier = SmtpCarrier(SmtpServer.of(f"smtp://127.0.0.1:{port}"), "vestibule.test")
    post = MailDelivery(Composer(sender, "https://id.example", SystemClock(), "en"), carrier)
    return SendMails(PostgresUnitsOfWork(service.pool), MAIL_TOKENS, post)


async def test_a_fault_in_one_mail_keeps_no_other_waiting(service: Service) -> None:
    """The log says where it is, without its text, which may hold the address."""
    server = MailServer()
    async with server.running():
        sending = sender(service, server.port)
        delivery = sending.sender
        assert isinstance(delivery, MailDelivery)

        def compose(mail: OutgoingMail) -> EmailMessage:
            if mail.to == "user-0@example.com":
                raise ValueError(f"cannot write to {mail.to}")
            return delivery.compose(mail)

        for number in range(PEOPLE):
            await service.register(f"user-{number}@example.com")
        with capture_logs() as logs:
            await changed(sending, sender=changed(delivery, compose=compose))()

    assert len(server.taken) == PEOPLE - 1
    assert await service.count("mails") == 1
    (line,) = [line for line in logs if line["event"] == "mail failed; retrying"]
    assert line["error"] == "ValueError"
    assert "test_mail_outage.py" in line["at"]
    assert "user-0@" not in str(logs)


async def test_mails_wait_for_the_server(service: Service) -> None:
    """Every one is delivered once it is back, by whichever instance, and its token works."""
    server = MailServer()
    async with server.running():
        pass
    one, other = sender(service, server.port), sender(service, server.port)
    for number in range(PEOPLE):
        await service.register(f"user-{number}@example.com")
    await one()
    await one()
    assert await service.count("mails") == PEOPLE

    await service.pool.execute("UPDATE auth.mails SET due_at = now()")
    async with server.running():
        handled = await asyncio.gather(one(), other(), one())

    assert sum(handled) == PEOPLE
    assert sorted(server.recipients) == [f"user-{number}@example.com" for number in range(PEOPLE)]
    assert await service.count("mails") == 0
    for message in server.taken:
        found = re.search(r"token=([\w-]+)", message.as_string())
        assert found
        await service.emails.VerifyEmail(email_service_pb2.VerifyEmailRequest(token=found[1]))
    assert len(service.directory.verified) == PEOPLE


async def test_a_sender_that_dies_leaves_its_mail_to_another(service: Service) -> None:
    """Once its lease is over."""
    server = MailServer()
    async with server.running():
        send = sender(service, server.port)
        await service.register()
        async with PostgresUnitsOfWork(service.pool).statements() as unit:
            assert await unit.mails.claim(timedelta(minutes=1))
        assert await send() == 0
        await service.pool.execute("UPDATE auth.mails SET due_at = now()")

        assert await send() == 1
    assert len(server.taken) == 1


async def test_the_listener_is_notified(service: Service, emptied_database: DevelopmentDatabase) -> None:
    """When a mail is queued, by any process; not while nothing happens."""
    listener = MailQueueListener(emptied_database.url("auth_service"), "test-mail")
    task = asyncio.create_task(listener.run())
    try:
        await asyncio.wait_for(listener.wait(10), 5)
        quiet = asyncio.create_task(listener.wait(10))
        await asyncio.sleep(0.1)
        assert not quiet.done()
        async with PostgresUnitsOfWork(service.pool).transaction() as unit:
            await unit.mails.queue(MailKind.PASSWORD_RESET, uuid7())
        await asyncio.wait_for(quiet, 5)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
