"""A mail sender that keeps what it is given."""

from collections.abc import Callable
from dataclasses import dataclass, field

from auth_service.domain.mail import MailKind, OutgoingMail
from chassis.errors import ServiceError


@dataclass
class FakeMailSender:
    """Keeps mails; afterwards it fails, if it has a failure."""

    sent: list[OutgoingMail] = field(default_factory=list)
    failure: Callable[[], ServiceError] | None = None

    async def __call__(self, mail: OutgoingMail) -> None:
        """Keeps a mail."""
        self.sent.append(mail)
        if self.failure is not None:
            raise self.failure()

    def token(self, kind: MailKind) -> str:
        """Returns the token of the newest mail of a kind."""
        return [mail.token for mail in self.sent if mail.kind is kind][-1]
