"""The mailboxes of users, read from the files that the system writes."""

import email
import re
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import default
from functools import cache
from pathlib import Path

from tests.waiting import wait_for


@dataclass(frozen=True)
class Mailbox:
    """All mail that was delivered.

    Attributes:
        folder: Where it is.
    """

    folder: Path

    def mails(self, address: str) -> list[EmailMessage]:
        """Returns the mails to an address, oldest first."""
        files = sorted(self.folder.glob("*.eml"), key=lambda file: (file.stat().st_mtime_ns, file.name))
        return [mail for to, mail in map(_read, files) if to == address]

    def wait(self, address: str, subject: str, count: int = 1) -> EmailMessage:
        """Waits until `count` mails with such a subject are there, and returns the newest.

        Raises:
            AssertionError: they do not come.
        """

        def found() -> list[EmailMessage]:
            mails = [mail for mail in self.mails(address) if subject in str(mail["Subject"])]
            return mails if len(mails) >= count else []

        return wait_for(found)[-1]

    def reset_token(self, address: str, count: int = 1) -> str:
        """Returns the token of the newest mail for a new password."""
        return token_in(self.wait(address, "new password", count))

    def verification_token(self, address: str, count: int = 1) -> str:
        """Returns the token of the newest mail that asks to verify the address."""
        return token_in(self.wait(address, "Confirm", count))

    def undo_token(self, address: str, count: int = 1) -> str:
        """Returns the token of the newest mail that reports a change of the address."""
        return token_in(self.wait(address, "Your e-mail address", count))


@cache
def _read(file: Path) -> tuple[str, EmailMessage]:
    """Returns a mail and its recipient; cached, since every look reads all files and files do not change."""
    mail = email.message_from_bytes(file.read_bytes(), policy=default)
    return str(mail["To"]), mail


def token_in(mail: EmailMessage) -> str:
    """Returns the token in a mail's link, the same in text and HTML."""
    tokens = {
        found for part in ("plain", "html") for found in re.findall(r"token=([\w-]+)", body(mail, part))
    }
    assert len(tokens) == 1
    return str(tokens.pop())


def body(mail: EmailMessage, form: str) -> str:
    """Returns a mail's text (`plain`) or HTML (`html`)."""
    part = mail.get_body((form,))
    assert part is not None
    content: str = part.get_content()
    return content
