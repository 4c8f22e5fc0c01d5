"""Sends mails: composes a message, hands it to a carrier, and counts the result."""

import ssl
from email.message import EmailMessage
from traceback import extract_tb
from typing import Protocol

import structlog
from chassis.component import Component
from chassis.errors import ServiceError, Unavailable
from chassis.tracing import traces
from prometheus_client import Counter

from auth_service.adapters.mail.composer import Composer
from auth_service.domain.errors import Undeliverable
from auth_service.domain.mail import OutgoingMail
from chassis import tls

log = structlog.get_logger()

MAILS = Counter(
    "mails_total",
    "Mails delivered, dropped because no user has the address, rejected for good, or to be retried.",
    ["kind", "outcome"],
)


class Carrier(Protocol):
    """Takes messages away."""

    async def __call__(self, message: EmailMessage, *, dropped: bool) -> None:
        """Returns when the message is out of our hands.

        Args:
            message: What to take.
            dropped: Do everything as for a recipient, and drop the message in the end.

        Raises:
            Undeliverable: it is refused for good.
            Unavailable: it cannot be taken now.
        """
        ...


class MailDelivery(Component):
    """`MailSender` by a carrier. Addresses and servers' replies, which repeat them, are never logged."""

    compose: Composer
    carrier: Carrier

    async def __call__(self, mail: OutgoingMail) -> None:
        """Returns when the mail is out of our hands.

        Raises:
            Undeliverable: it never will be.
            Unavailable: it cannot be delivered now.
        """
        logged = {"mail_id": str(mail.id), "kind": mail.kind.value}
        attributes = {"vestibule.mail.id": logged["mail_id"], "vestibule.mail.kind": logged["kind"]}
        try:
            with traces.followed(f"deliver {mail.kind.value}", "CLIENT", mail.traceparent, attributes):
                await self.carrier(self.compose(mail), dropped=mail.to is None)
        except Undeliverable as error:
            MAILS.labels(mail.kind, "refused").inc()
            log.warning("mail rejected; not retried", **logged, cause=_cause(error))
            raise
        except ServiceError as error:
            MAILS.labels(mail.kind, "put_off").inc()
            log.warning("mail not delivered; retrying", **logged, cause=_cause(error))
            raise
        except Exception as error:
            # A fault of ours, which keeps this mail waiting and no other one. Its text may hold the address.
            MAILS.labels(mail.kind, "put_off").inc()
            log.error("mail failed; retrying", **logged, error=type(error).__name__, at=_place(error))  # noqa: TRY400
            raise Unavailable from error
        MAILS.labels(mail.kind, "delivered" if mail.to else "dropped").inc()
        log.info("mail handled", **logged)


def _place(error: Exception) -> str:
    """Returns file and line that raised an error, for a log that must not have its text."""
    frame = extract_tb(error.__traceback__)[-1]
    return f"{frame.filename}:{frame.lineno}"


def _cause(error: ServiceError) -> str:
    cause = error.__cause__ or error
    for each in (cause, cause.__cause__):
        if isinstance(each, ssl.SSLCertVerificationError):
            what = tls.correction(each, "the mail server", "SMTP_URL", "SMTP_CA_FILE")
            return f"certificate not accepted: {each.verify_message.rstrip('.')}; {what}"
    if isinstance(cause, OSError) and cause.strerror is not None:  # Of this machine, not a server's reply.
        return f"{type(cause).__name__}: {cause.strerror}"
    code = getattr(cause, "code", None)
    return type(cause).__name__ if code is None else f"{type(cause).__name__} {code}"
