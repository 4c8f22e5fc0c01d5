"""Mails by SMTP."""

import asyncio
import errno
import ssl
from dataclasses import field
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import unquote, urlsplit

import aiosmtplib
from chassis.component import Component
from chassis.dataclass import dataclass
from chassis.errors import Unavailable

from auth_service.domain.errors import Undeliverable
from chassis import tls

TIMEOUT_SECONDS = 20.0
"""For one delivery in all; well below the lease of a mail."""

_COMMANDS_OF_A_MAIL = 4
_PERMANENT = range(500, 600)

_NO_STARTTLS = "STARTTLS extension not supported"
"""What aiosmtplib says of a server without encryption; it has no class for it."""

_NOT_ENCRYPTED = (
    "the mail server offers no STARTTLS, which smtp+starttls:// in SMTP_URL, or SMTP_CA_FILE, asks for;"
    " turn it on there, or write smtps:// if it speaks TLS from the first byte"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpServer:
    """Where mails go, and how.

    Attributes:
        use_tls: Whether the connection is encrypted from its first byte.
        start_tls: Whether it must become so; None takes encryption where it is offered. With authorities it
            must, by `smtp://` too: they are for a certificate that the server shows.
        authorities: PEM file of who may sign its certificate; this machine's authorities when None.
    """

    host: str
    port: int
    username: str | None
    password: str | None = field(repr=False)
    use_tls: bool
    start_tls: bool | None
    authorities: Path | None = None

    @classmethod
    def of(cls, url: str, authorities: Path | None = None) -> "SmtpServer":
        """Reads `smtp://`, `smtps://` or `smtp+starttls://user:password@host:port`."""
        parts = urlsplit(url)
        secure = parts.scheme == "smtps"
        return cls(
            host=parts.hostname or "localhost",
            port=parts.port or (465 if secure else 587),
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            use_tls=secure,
            start_tls={"smtps": False, "smtp+starttls": True}.get(parts.scheme, bool(authorities) or None),
            authorities=authorities,
        )

    def context(self) -> ssl.SSLContext | None:
        """Returns what verifies its certificate, by the file as it is now; None for the default.

        Raises:
            OSError: the file cannot be read, or holds no certificate.
        """
        return None if self.authorities is None else tls.client_context(self.authorities, "SMTP_CA_FILE")


class SmtpCarrier(Component):
    """Delivers each message on a connection of its own.

    Attributes:
        greeting: The name that we go by in EHLO.
    """

    server: SmtpServer
    greeting: str

    async def __call__(self, message: EmailMessage, *, dropped: bool) -> None:
        """Returns when the server has taken the message.

        Raises:
            Undeliverable: it refuses the recipient or the message for good.
            Unavailable: anything else; the server may be mended.
        """
        server = self.server
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                async with aiosmtplib.SMTP(
                    hostname=server.host,
                    port=server.port,
                    username=server.username,
                    password=server.password,
                    use_tls=server.use_tls,
                    start_tls=server.start_tls,
                    tls_context=server.context(),
                    local_hostname=self.greeting,
                    timeout=TIMEOUT_SECONDS / 2,
                ) as session:
                    if dropped:
                        await _pretend(session, message)
                    else:
                        await session.send_message(message)
        except (aiosmtplib.SMTPException, OSError) as error:
            if server.start_tls and _NO_STARTTLS in str(error):
                raise Unavailable from OSError(errno.EPROTONOSUPPORT, _NOT_ENCRYPTED)
            raise (Undeliverable if _is_for_good(error) else Unavailable) from error


async def _pretend(session: aiosmtplib.SMTP, message: EmailMessage) -> None:
    """Does what costs as much as sending, and sends nothing."""
    message.as_bytes()
    for _ in range(_COMMANDS_OF_A_MAIL):
        await session.noop()


def _is_for_good(error: Exception) -> bool:
    """Whether the refusal concerns this message: a wrong password concerns us, and may be corrected."""
    match error:
        case aiosmtplib.SMTPRecipientsRefused(recipients=refused):
            return all(each.code in _PERMANENT for each in refused)
        case aiosmtplib.SMTPDataError(code=code):
            return code in _PERMANENT
        case _:
            return isinstance(error, aiosmtplib.SMTPNotSupported)
