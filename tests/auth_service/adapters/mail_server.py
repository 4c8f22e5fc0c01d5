"""A real SMTP server, whose moods are in the test's hands."""

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USER, PASSWORD = "vestibule", "p@ss/word"


@dataclass
class MailServer:
    """Takes mails, or says why not.

    Attributes:
        taken: What it took.
        recipients: To whom, as the envelope said.
        answer_to_recipient: Its answer to RCPT.
        answer_to_data: Its answer to DATA.
        arrived: Set when a message has come that is held back.
        tls: With it, nothing is taken but by STARTTLS from clients that know the password.
        port: Where it listens; 0 before it does.
    """

    taken: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    answer_to_recipient: str = "250 OK"
    answer_to_data: str = "250 OK"
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    tls: ssl.SSLContext | None = None
    port: int = 0
    _release: asyncio.Event | None = None

    def hold_next(self) -> asyncio.Event:
        """Returns what releases the next message, which is taken no earlier."""
        self._release = asyncio.Event()
        return self._release

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Answers RCPT."""
        if self.answer_to_recipient.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.answer_to_recipient

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Answers DATA."""
        release, self._release = self._release, None
        if release is not None:
            self.arrived.set()
            await release.wait()
        if self.answer_to_data.startswith("250"):
            content = envelope.content
            assert isinstance(content, bytes)
            message = message_from_bytes(content, policy=default)
            assert isinstance(message, EmailMessage)
            self.taken.append(message)
            self.recipients += envelope.rcpt_tos
        return self.answer_to_data

    @asynccontextmanager
    async def running(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
        """Listens, on the same port every time, and gives its URL without a scheme.

        Args:
            tls: Encrypts every connection from its first byte.
        """
        listening = await asyncio.get_running_loop().create_server(
            self._session, "127.0.0.1", self.port, ssl=tls
        )
        self.port = listening.sockets[0].getsockname()[1]
        try:
            yield f"127.0.0.1:{self.port}"
        finally:
            listening.close()
            await listening.wait_closed()

    def _session(self) -> SMTP:
        return SMTP(
            self,
            enable_SMTPUTF8=True,
            hostname="mail.test",
            tls_context=self.tls,
            require_starttls=self.tls is not None,
            auth_required=self.tls is not None,
            authenticator=_authenticate,
        )


def tls_of_localhost(certificate_file: Path) -> ssl.SSLContext:
    """Returns what a server needs that calls itself 127.0.0.1; writes its certificate to the file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    both = certificate_file.with_suffix(".both")
    both.write_bytes(
        certificate_file.read_bytes()
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(both)
    return context


def _authenticate(
    server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
) -> AuthResult:
    assert isinstance(data, LoginPassword)
    right = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=right, handled=False)
