"""Tokens in mails: an HMAC over whom they were sent to. They can be made again, but not guessed."""

import base64
import hashlib
import hmac
from uuid import UUID

from chassis.email_address import canonical_email

from auth_service.domain.mail import MailKind


class HmacMailTokens:
    """Computes `base64url(HMAC-SHA256(kind | mail id | user id | canonical address))`."""

    def __init__(self, key: bytes) -> None:
        """Takes the key.

        Args:
            key: 32 secret bytes, used for nothing else.
        """
        self._key = key

    def __call__(self, kind: MailKind, mail_id: UUID, user_id: UUID, email: str) -> str:
        """Returns the token of a mail, the same one every time."""
        address = canonical_email(email).encode()
        body = b"\0".join((kind.value.encode(), mail_id.bytes, user_id.bytes, address))
        return base64.urlsafe_b64encode(hmac.digest(self._key, body, hashlib.sha256)).decode().rstrip("=")
