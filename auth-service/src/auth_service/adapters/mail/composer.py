"""Mails as messages: text and HTML in a language, with headers that machines understand."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.headerregistry import Address, HeaderRegistry
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from functools import cache
from textwrap import fill
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from chassis.clock import Clock
from chassis.component import Component
from chassis.email_address import ascii_domain
from chassis.ids import unix_milliseconds
from chassis.pages.catalog import Catalog

from auth_service import jinja
from auth_service.domain.errors import Undeliverable
from auth_service.domain.mail import MailKind, OutgoingMail
from auth_service.languages.catalog import choose

if TYPE_CHECKING:
    from jinja2 import Environment

_WIDTH = 78


class _HeaderClasses(HeaderRegistry):
    """Makes a class per kind of header; its base class makes one per header, 3 KB in a reference cycle."""

    def __init__(self) -> None:
        super().__init__()
        self._made: dict[str, type] = {}

    def __getitem__(self, name: str) -> type:
        if name not in self._made:
            self._made[name] = super().__getitem__(name)
        return self._made[name]


_POLICY = SMTP.clone(header_factory=_HeaderClasses())

_PAGES = {
    MailKind.EMAIL_VERIFICATION: "/verify-email",
    MailKind.PASSWORD_RESET: "/reset-password",
    MailKind.INVITATION: "/reset-password",
    MailKind.EMAIL_CHANGE: "/verify-email",
    MailKind.EMAIL_CHANGE_REQUESTED: "/undo-email",
    MailKind.EMAIL_CHANGED: "/undo-email",
    MailKind.SECOND_FACTOR_ON: "/undo-email",
    MailKind.PASSKEY_ADDED: "/undo-email",
    MailKind.API_KEY_CREATED: "/undo-email",
}
"""Where links lead, below the public URL: pages of the application that uses this API."""


@cache
def _templates() -> "Environment":
    environment = jinja.environment("auth_service.adapters.mail", keep_trailing_newline=True)
    environment.filters["wrapped"] = _wrapped
    return environment


def _wrapped(paragraph: str) -> str:
    return "\n".join(fill(line, _WIDTH, break_long_words=False) for line in paragraph.splitlines())


class Composer(Component):
    """Writes messages.

    Attributes:
        sender: Who writes; the display name also signs.
        public_url: What users' browsers reach.
        language: The language of users who prefer none that there is.
    """

    sender: Address
    public_url: str
    clock: Clock
    language: str

    def __call__(self, mail: OutgoingMail) -> EmailMessage:
        """Returns the mail as a message.

        Raises:
            Undeliverable: no message can be addressed so.
        """
        catalog = choose("", mail.accept_language, self.language)
        to = self.sender.addr_spec if mail.to is None else envelope_address(mail.to)
        message = EmailMessage(policy=_POLICY.clone(utf8=not to.isascii()))
        try:
            message["To"] = _recipient(to)
        except (HeaderParseError, ValueError, IndexError) as error:
            raise Undeliverable from error
        message["From"] = self.sender
        message["Subject"] = catalog(f"mail.{mail.kind.value}.subject")
        message["Date"] = format_datetime(self.clock.now())
        message["Message-ID"] = f"<{mail.id}@{self.sender.domain}>"
        message["Auto-Submitted"] = "auto-generated"
        _fill(message, self._content(mail, catalog))
        # To choose one itself, the library compiles a regular expression per mail, and keeps 500 of them.
        message.set_boundary(f"={mail.id}=")
        message["Content-Language"] = catalog.language
        return message

    def _content(self, mail: OutgoingMail, catalog: Catalog) -> dict[str, object]:
        """Returns what the templates show: paragraphs before and after the link, if there is one."""
        lifetime = mail.kind.token_lifetime
        values: dict[str, object] = {
            "at": _queued_at(mail, catalog),
            "minutes": int(lifetime.total_seconds() // 60),
            "days": lifetime.days,
        }
        happened = catalog.messages.get(f"mail.{mail.kind.value}.happened")
        texts = mail.kind.value
        if happened is not None:
            values["happened"] = happened
            texts = "undo" if mail.kind.undoes and mail.token else "notice"
        return {
            "language": catalog.language,
            "name": self.sender.display_name or self.sender.domain,
            "subject": catalog(f"mail.{mail.kind.value}.subject"),
            "greeting": catalog("mail.greeting"),
            "before": catalog(f"mail.{texts}.before", **values).split("\n\n"),
            "after": catalog(f"mail.{texts}.after", **values).split("\n\n"),
            "link": self.link(mail) if mail.token else "",
            "button": catalog.messages.get(f"mail.{texts}.button", ""),
            "copy": catalog("mail.copy"),
        }

    def link(self, mail: OutgoingMail) -> str:
        """Returns what the user is to click."""
        return f"{self.public_url.rstrip('/')}{_PAGES[mail.kind]}?{urlencode({'token': mail.token})}"


def envelope_address(address: str) -> str:
    """Returns an address with its domain as mail servers want it: IDNA A-labels."""
    local, _, domain = address.rpartition("@")
    if domain.isascii():
        return address
    return f"{local}@{ascii_domain(domain) or domain}"


def _queued_at(mail: OutgoingMail, catalog: Catalog) -> str:
    """Returns when the mail was asked for, which is when it happened."""
    at = datetime.fromtimestamp(unix_milliseconds(mail.id) / 1_000, UTC)
    month = catalog("mail.months").split()[at.month - 1]
    return catalog("mail.at", day=at.day, month=month, year=at.year, time=f"{at:%H:%M}")


def _recipient(address: str) -> Address:
    if address.isascii():
        return Address(addr_spec=address)
    local, _, domain = address.rpartition("@")
    return Address(username=local, domain=domain)


def _fill(message: EmailMessage, content: Mapping[str, object]) -> None:
    text, html = (_templates().get_template(f"layout.{form}").render(content) for form in ("txt", "html"))
    # Links stay whole on their line wherever nothing but ASCII is said.
    encoding = "7bit" if text.isascii() and html.isascii() else "quoted-printable"
    message.set_content(text, cte=encoding)
    message.add_alternative(html, subtype="html", cte=encoding)
