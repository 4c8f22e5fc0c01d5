"""Letters as messages: text and HTML from templates, with headers that machines understand."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from chassis.clock import Clock
from chassis.email_address import ascii_domain
from chassis.ids import unix_milliseconds

from auth_service.domain.errors import Undeliverable
from auth_service.domain.mail import MailKind, OutgoingMail

if TYPE_CHECKING:
    from jinja2 import Environment

_SUBJECTS = {
    MailKind.EMAIL_VERIFICATION: "Confirm your e-mail address",
    MailKind.PASSWORD_RESET: "Choose a new password",
    MailKind.INVITATION: "You have an account: choose a password",
    MailKind.SECOND_FACTOR_GUESSED: "Somebody has your password",
    MailKind.NEW_DEVICE: "A new device signed in to your account",
    MailKind.SESSIONS_ENDED: "You were signed out everywhere",
    MailKind.SECOND_FACTOR_REMOVED: "Your second factor was removed",
    MailKind.PASSWORD_CHANGED: "Your password was changed",
    MailKind.SECOND_FACTOR_ON: "The second factor was turned on",
    MailKind.SECOND_FACTOR_OFF: "The second factor was turned off",
    MailKind.PASSKEY_ADDED: "A passkey was added",
    MailKind.PASSKEY_REMOVED: "A passkey was removed",
    MailKind.API_KEY_CREATED: "An API key was created",
    MailKind.API_KEY_REVOKED: "An API key was deleted",
    MailKind.PASSWORD_RECOVERED: "Your password was changed",
    MailKind.EMAIL_CHANGE: "Confirm your new e-mail address",
    MailKind.EMAIL_CHANGE_REQUESTED: "Your e-mail address is about to change",
    MailKind.EMAIL_CHANGED: "Your e-mail address was changed",
    MailKind.EMAIL_IN_USE: "Somebody asked for your e-mail address",
}

_HAPPENED = {
    MailKind.SECOND_FACTOR_GUESSED: "Somebody gave the right password of your account and five wrong codes of"
    " your second factor. Nobody was let in, and no code is taken for 15 minutes",
    MailKind.NEW_DEVICE: "Your account was signed in to from a browser, an app or a network that it was"
    " not used from before",
    MailKind.SESSIONS_ENDED: "An administrator signed you out everywhere; you can sign in again",
    MailKind.SECOND_FACTOR_REMOVED: "An administrator removed the second factor of your account:"
    " signing in with your password does not ask for a code any more",
    MailKind.PASSWORD_CHANGED: "The password of your account was changed",
    MailKind.SECOND_FACTOR_ON: "Signing in with your password now also asks for a code",
    MailKind.SECOND_FACTOR_OFF: "Signing in with your password does not ask for a code any more",
    MailKind.PASSKEY_ADDED: "A passkey was added to your account: it signs in without the password",
    MailKind.PASSKEY_REMOVED: "A passkey was removed from your account: it does not sign in any more",
    MailKind.API_KEY_CREATED: "An API key was created: programs that have it act in your name",
    MailKind.API_KEY_REVOKED: "An API key of your account was deleted: it does not work any more",
    MailKind.PASSWORD_RECOVERED: "The password of your account was changed by a link that was mailed to you."
    " You were signed out everywhere, and your API keys and passkeys were removed",
    MailKind.EMAIL_CHANGE_REQUESTED: "Another e-mail address was asked for in place of this one. Until it is"
    " confirmed, everything stays as it is",
    MailKind.EMAIL_CHANGED: "The e-mail address of your account was changed. Mails do not come here any more",
}
"""What notices report."""

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
    """Imports Jinja for the first mail: a start does without."""
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape  # noqa: PLC0415

    return Environment(
        loader=PackageLoader("auth_service.adapters.mail"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


@dataclass(frozen=True, slots=True)
class Composer:
    """Writes messages.

    Attributes:
        sender: Who writes; the display name also signs.
        public_url: What users' browsers reach.
    """

    sender: Address
    public_url: str
    clock: Clock

    def __call__(self, mail: OutgoingMail) -> EmailMessage:
        """Returns the mail as a message.

        Raises:
            Undeliverable: no message can be addressed so.
        """
        to = self.sender.addr_spec if mail.to is None else envelope_address(mail.to)
        message = EmailMessage(policy=SMTP.clone(utf8=not to.isascii()))
        try:
            message["To"] = _recipient(to)
        except (HeaderParseError, ValueError, IndexError) as error:
            raise Undeliverable from error
        message["From"] = self.sender
        message["Subject"] = _SUBJECTS[mail.kind]
        message["Date"] = format_datetime(self.clock.now())
        message["Message-ID"] = f"<{mail.id}@{self.sender.domain}>"
        message["Auto-Submitted"] = "auto-generated"
        values: dict[str, object] = {
            "name": self.sender.display_name or self.sender.domain,
            "subject": _SUBJECTS[mail.kind],
            "at": _queued_at(mail),
        }
        if mail.token:
            lifetime = mail.kind.token_lifetime
            minutes = int(lifetime.total_seconds() // 60)
            values |= {"link": self.link(mail), "minutes": minutes, "days": lifetime.days}
        if mail.kind in _HAPPENED:
            values["happened"] = _HAPPENED[mail.kind]
        _fill(message, _template(mail), values)
        return message

    def link(self, mail: OutgoingMail) -> str:
        """Returns what the user is to click."""
        return f"{self.public_url.rstrip('/')}{_PAGES[mail.kind]}?{urlencode({'token': mail.token})}"


def envelope_address(address: str) -> str:
    """Returns an address with its domain as mail servers want it: IDNA A-labels."""
    local, _, domain = address.rpartition("@")
    if domain.isascii():
        return address
    return f"{local}@{ascii_domain(domain) or domain}"


def _template(mail: OutgoingMail) -> str:
    if mail.kind.undoes and mail.token:
        return "undo"
    return "notice" if mail.kind in _HAPPENED else mail.kind.value


def _queued_at(mail: OutgoingMail) -> str:
    """Returns when the mail was asked for, which is when it happened."""
    at = datetime.fromtimestamp(unix_milliseconds(mail.id) / 1_000, UTC)
    return f"{at.day} {at:%B %Y} at {at:%H:%M} UTC"


def _recipient(address: str) -> Address:
    if address.isascii():
        return Address(addr_spec=address)
    local, _, domain = address.rpartition("@")
    return Address(username=local, domain=domain)


def _fill(message: EmailMessage, template: str, values: Mapping[str, object]) -> None:
    text, html = (_templates().get_template(f"{template}.{form}").render(values) for form in ("txt", "html"))
    # Links stay whole on their line wherever nothing but ASCII is said.
    encoding = "7bit" if text.isascii() and html.isascii() else "quoted-printable"
    message.set_content(text, cte=encoding)
    message.add_alternative(html, subtype="html", cte=encoding)
