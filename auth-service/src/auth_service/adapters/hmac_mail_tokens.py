"""Tokens in mails: an HMAC over whom they were sent to. They can be made again, but not guessed."""

import base64
import hashlib
import hmac
from uuid import UUID

from chassis.email_address import canonical_email

from auth_service.domain.mail import MailKind


class HmacMailTokens:
    """Computes `base64url(HMAC-SHA256(kind | mail id | user id | canonical address))`."""

    def __init__(self, key: bytes, *accepted: bytes) -> None:
        """Takes the keys.

        Args:
            key: 32 secret bytes, used for nothing else.
            accepted: Keys whose tokens count as well.
        """
        self._keys = (key, *accepted)

    def __call__(self, kind: MailKind, mail_id: UUID, user_id: UUID, email: str) -> str:
        """Returns the token of a mail, the same one every time."""
        return _token(self._keys[0], kind, mail_id, user_id, email)

    def is_token(self, token: str, kind: MailKind, mail_id: UUID, user_id: UUID, email: str) -> bool:
        """Whether this is the token of a mail, by any key, in the same time whatever differs."""
        ours = [_token(key, kind, mail_id, user_id, email) for key in self._keys]
        return any(hmac.compare_digest(each.encode(), token.encode()) for each in ours)


def _token(key: bytes, kind: MailKind, mail_id: UUID, user_id: UUID, email: str) -> str:
    address = canonical_email(email).encode()
    body = b"\0".join((kind.value.encode(), mail_id.bytes, user_id.bytes, address))
    return base64.urlsafe_b64encode(hmac.digest(key, body, hashlib.sha256)).decode().rstrip("=")
