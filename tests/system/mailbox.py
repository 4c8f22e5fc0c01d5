"""The mailboxes of users: mails that the system wrote to files."""

import email
import re
import time
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import default
from functools import cache
from pathlib import Path

LOOK_SECONDS = 0.05
PATIENCE_SECONDS = 10.0


@dataclass(frozen=True)
class Mailbox:
    """All mail that was delivered.

    Attributes:
        folder: Where it is.
    """

    folder: Path

    def mails(self, address: str) -> list[EmailMessage]:
        """Returns what came to an address, the oldest first."""
        files = sorted(self.folder.glob("*.eml"), key=lambda file: (file.stat().st_mtime_ns, file.name))
        return [mail for to, mail in map(_read, files) if to == address]

    def wait(self, address: str, subject: str, count: int = 1) -> EmailMessage:
        """Returns the newest of so many mails with such a subject, once they are there.

        Raises:
            AssertionError: they do not come.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            found = [mail for mail in self.mails(address) if subject in str(mail["Subject"])]
            if len(found) >= count:
                return found[-1]
            time.sleep(LOOK_SECONDS)
        raise AssertionError(f"{len(found)} of {count} mails about {subject!r} came")

    def reset_token(self, address: str, count: int = 1) -> str:
        """Returns the token of the newest of so many mails for a new password."""
        return token_in(self.wait(address, "new password", count))

    def verification_token(self, address: str, count: int = 1) -> str:
        """Returns the token of the newest of so many mails that ask to confirm the address."""
        return token_in(self.wait(address, "Confirm", count))

    def undo_token(self, address: str, count: int = 1) -> str:
        """Returns the token of the newest of so many mails that tell of a change of the address."""
        return token_in(self.wait(address, "Your e-mail address", count))


@cache
def _read(file: Path) -> tuple[str, EmailMessage]:
    """Returns a mail and to whom it is; files of mail never change, and every look passes all of them."""
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
