"""Mails, by SMTP to a real server and as files."""

import asyncio
from dataclasses import replace
from email import message_from_bytes
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from urllib.parse import quote

import pytest
from auth_service.adapters.mail.composer import Composer
from auth_service.adapters.mail.file_carrier import FileCarrier
from auth_service.adapters.mail.sender import Carrier, MailDelivery
from auth_service.adapters.mail.smtp_carrier import SmtpCarrier, SmtpServer
from auth_service.domain.errors import Undeliverable
from auth_service.domain.mail import MailKind, OutgoingMail
from chassis.errors import Unavailable
from chassis.ids import uuid7
from structlog.testing import capture_logs

from tests.auth_service.adapters.mail_server import PASSWORD, USER, MailServer, tls_of_localhost
from tests.fakes.auth_service.clock import FakeClock

TOKEN = "t0ken-_" * 6


def a_mail(to: str = "Ada@Example.com", kind: MailKind = MailKind.PASSWORD_RESET) -> OutgoingMail:
    return OutgoingMail(id=uuid7(), kind=kind, to=to, token=TOKEN)


def a_composer(name: str = "Vestibule", language: str = "en") -> Composer:
    sender = Address(display_name=name, addr_spec="no-reply@vestibule.test")
    return Composer(sender, "https://id.example/", FakeClock(), language)


def by_smtp(where: str, scheme: str = "smtp", authorities: Path | None = None) -> MailDelivery:
    carrier: Carrier = SmtpCarrier(SmtpServer.of(f"{scheme}://{where}", authorities), "vestibule.test")
    return MailDelivery(a_composer(), carrier)


def text(message: EmailMessage, form: str = "plain") -> str:
    part = message.get_body((form,))
    assert part is not None
    content: str = part.get_content()
    return content


def _only(folder: Path) -> Path:
    (file,) = folder.iterdir()
    return file


@pytest.mark.parametrize(
    ("kind", "page"),
    [
        (MailKind.PASSWORD_RESET, "https://id.example/reset-password?token="),
        (MailKind.EMAIL_VERIFICATION, "https://id.example/verify-email?token="),
    ],
)
async def test_a_server_takes_it(kind: MailKind, page: str) -> None:
    """With text and HTML that carry the same link, to the address as typed."""
    server, mail = MailServer(), a_mail(kind=kind)
    async with server.running() as where:
        await by_smtp(where)(mail)

    (message,) = server.taken
    assert server.recipients == ["Ada@Example.com"]
    assert message["To"] == "Ada@Example.com"
    assert message["From"] == "Vestibule <no-reply@vestibule.test>"
    assert message["Message-ID"] == f"<{mail.id}@vestibule.test>"
    assert message["Date"] == "Mon, 23 Nov 2026 10:00:00 +0000"
    assert page + TOKEN in text(message)
    assert f'href="{page}{TOKEN}"' in text(message, "html")
    assert "Ada" not in text(message)


@pytest.mark.parametrize("kind", [kind for kind in MailKind if not kind.has_token])
def test_notices(kind: MailKind) -> None:
    """Say what happened and when, and carry nothing to click."""
    mail_id = uuid7(now_ms=1_795_428_000_000)
    message = a_composer()(OutgoingMail(id=mail_id, kind=kind, to="ada@example.com"))

    for form in ("plain", "html"):
        assert "(on 23 November 2026 at 10:00 UTC)" in text(message, form)
        assert "http" not in text(message, form)
    assert str(message["Subject"]) in text(message, "html")


@pytest.mark.parametrize("kind", list(MailKind))
def test_in_german(kind: MailKind) -> None:
    """Every mail has all its words, and the same link."""
    mail = a_mail(kind=kind) if kind.has_token else OutgoingMail(id=uuid7(), kind=kind, to="ada@example.com")
    message = a_composer()(replace(mail, accept_language="de-AT,en;q=0.5"))

    assert message["Content-Language"] == "de"
    assert text(a_composer(language="de")(mail)) == text(message)
    assert text(message).startswith("Guten Tag,")
    for form in ("plain", "html"):
        assert (TOKEN in text(message, form)) == kind.has_token
        assert "{" not in text(message, form)
        assert message["Subject"] != a_composer()(mail)["Subject"]


async def test_encrypted_with_user_and_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Special characters are written as in any URL; a wrong password is no fault of the mail's."""
    server = MailServer(tls=tls_of_localhost(tmp_path / "certificate.pem"))
    async with server.running() as where:
        address = f"{USER}:{quote(PASSWORD, safe='')}@{where}"
        with pytest.raises(Unavailable):
            await by_smtp(address, "smtp+starttls")(a_mail())
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
        await by_smtp(address, "smtp+starttls")(a_mail())
        await by_smtp(address)(a_mail())
        with pytest.raises(Unavailable):
            await by_smtp(f"{USER}:wrong@{where}")(a_mail())
        with pytest.raises(Unavailable):
            await by_smtp(where)(a_mail())

    assert len(server.taken) == 2


async def test_an_authority_of_ones_own(tmp_path: Path) -> None:
    """The file is read for each mail, so that it may change; without it the log says what to set."""
    certificate, authorities = tmp_path / "certificate.pem", tmp_path / "ca.crt"
    server = MailServer(tls=tls_of_localhost(certificate))
    async with server.running() as where:
        address = f"{USER}:{quote(PASSWORD, safe='')}@{where}"
        for scheme in ("smtp", "smtp+starttls"):
            send = by_smtp(address, scheme, authorities)
            with pytest.raises(Unavailable), capture_logs() as logs:
                await send(a_mail())
            assert f"SMTP_CA_FILE cannot be read: {authorities}" in logs[-1]["cause"]
            tls_of_localhost(authorities)
            with pytest.raises(Unavailable), capture_logs() as logs:
                await send(a_mail())
            assert "SMTP_CA_FILE has to name the authority that signed" in logs[-1]["cause"]
            authorities.write_bytes(certificate.read_bytes())
            await send(a_mail())
            authorities.unlink()

    assert len(server.taken) == 2


async def test_encrypted_from_the_first_byte(tmp_path: Path) -> None:
    """By the file of authorities; the library's error alone would not say that it is about a certificate."""
    certificate = tmp_path / "certificate.pem"
    server = MailServer()
    tls = tls_of_localhost(certificate)
    async with server.running(tls) as where:
        with pytest.raises(Unavailable), capture_logs() as logs:
            await by_smtp(where, "smtps")(a_mail())
        assert "certificate not accepted: self-signed certificate; SMTP_CA_FILE has to" in logs[-1]["cause"]
        await by_smtp(where, "smtps", certificate)(a_mail())
        with pytest.raises(Unavailable), capture_logs() as logs:
            await by_smtp(where.replace("127.0.0.1", "localhost"), "smtps", certificate)(a_mail())
        assert "write a host into SMTP_URL that the certificate of the mail server names" in logs[-1]["cause"]

    assert len(server.taken) == 1


async def test_encryption_that_is_asked_for_is_not_done_without(tmp_path: Path) -> None:
    """A server that offers none gets nothing. An authority for its certificate asks for encryption too."""
    server, authorities = MailServer(), tmp_path / "ca.crt"
    tls_of_localhost(authorities)
    async with server.running() as where:
        with pytest.raises(Unavailable):
            await by_smtp(where, "smtps")(a_mail())
        for scheme, file in (("smtp+starttls", None), ("smtp+starttls", authorities), ("smtp", authorities)):
            with pytest.raises(Unavailable), capture_logs() as logs:
                await by_smtp(where, scheme, file)(a_mail())
            assert "the mail server offers no STARTTLS" in logs[-1]["cause"]

    assert not server.taken


@pytest.mark.parametrize(
    ("recipient", "data", "error"),
    [
        ("550 no such mailbox", "250 OK", Undeliverable),
        ("451 greylisted", "250 OK", Unavailable),
        ("250 OK", "554 spam", Undeliverable),
        ("250 OK", "452 full", Unavailable),
    ],
)
async def test_refusals(recipient: str, data: str, error: type[Exception]) -> None:
    """What is refused for good is not tried again; what is refused for now is."""
    server = MailServer(answer_to_recipient=recipient, answer_to_data=data)
    async with server.running() as where:
        with pytest.raises(error):
            await by_smtp(where)(a_mail())


async def test_a_dropped_mail(tmp_path: Path) -> None:
    """All is done but the handing over, failing included."""
    server, mail = (
        MailServer(),
        OutgoingMail(id=uuid7(), kind=MailKind.PASSWORD_RESET, to=None, token=TOKEN),
    )
    async with server.running() as where:
        await by_smtp(where)(mail)
    with pytest.raises(Unavailable):
        await by_smtp(where)(mail)
    await MailDelivery(a_composer(), FileCarrier(tmp_path / "mail"))(mail)

    assert not server.taken
    assert not list((tmp_path / "mail").iterdir())


async def test_a_server_that_is_away() -> None:
    """No server listens."""
    server = MailServer()
    async with server.running() as where:
        pass

    with pytest.raises(Unavailable):
        await by_smtp(where)(a_mail())


async def test_a_server_that_hangs_up() -> None:
    """In the middle of it all."""

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.test\r\n")
        await reader.readline()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        with pytest.raises(Unavailable):
            await by_smtp(f"{host}:{port}")(a_mail())


async def test_addresses_of_the_whole_world() -> None:
    """Domains as IDNA A-labels, local parts of any script where the server takes them."""
    server = MailServer()
    async with server.running() as where:
        await by_smtp(where)(a_mail("ada@bücher.example"))
        await by_smtp(where)(a_mail("дора@example.com"))
        with pytest.raises(Undeliverable):
            await by_smtp(where)(a_mail("a b@example.com\r\nBcc: eve@example.com"))

    assert server.recipients == ["ada@xn--bcher-kva.example", "дора@example.com"]


async def test_a_file(tmp_path: Path) -> None:
    """Whole, readable by its owner alone, the same one when it is sent again."""
    folder, mail = tmp_path / "deep" / "mail", a_mail()
    post = MailDelivery(a_composer(), FileCarrier(folder))
    await post(mail)
    await post(mail)

    (file,) = folder.iterdir()
    assert file.name == f"{mail.id}.eml"
    assert file.stat().st_mode & 0o777 == 0o600
    message = message_from_bytes(file.read_bytes(), policy=default)
    assert message["To"] == "Ada@Example.com"
    assert f"token={TOKEN}".encode() in file.read_bytes()


async def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """It may be mended."""
    (tmp_path / "mail").write_text("not a folder")

    with pytest.raises(Unavailable):
        await MailDelivery(a_composer(), FileCarrier(tmp_path / "mail"))(a_mail())


async def test_what_a_sender_is_called_is_no_markup(tmp_path: Path) -> None:
    """Names are text, of any script."""
    await MailDelivery(a_composer('Grüße & <b>"Co"</b>'), FileCarrier(tmp_path))(a_mail())

    message = message_from_bytes(_only(tmp_path).read_bytes(), policy=default)
    assert "<b>" not in text(message, "html")
    assert 'Grüße & <b>"Co"</b>' in text(message)


@pytest.mark.parametrize(
    ("url", "port", "use_tls", "start_tls"),
    [
        ("smtp://mail.test", 587, False, None),
        ("smtp://mail.test:25", 25, False, None),
        ("smtps://mail.test", 465, True, False),
        ("smtp+starttls://mail.test", 587, False, True),
    ],
)
def test_urls(url: str, port: int, use_tls: bool, start_tls: bool | None) -> None:
    """The scheme says how to encrypt."""
    server = SmtpServer.of(url)

    assert (server.host, server.port, server.use_tls, server.start_tls) == (
        "mail.test",
        port,
        use_tls,
        start_tls,
    )
    assert "secret" not in repr(SmtpServer.of("smtp://user:secret@mail.test"))
