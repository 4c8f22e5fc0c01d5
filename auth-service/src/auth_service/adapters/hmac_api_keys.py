"""API keys: drawn from the operating system, kept under an HMAC."""

import base64
import hashlib
import hmac
import os

from chassis.identity import api_key

from auth_service.domain.api_key import DrawnKey
from auth_service.domain.idempotency import Attempt

_ID_BYTES = 8
_SECRET_BYTES = 32
_DRAWN_BYTES = _SECRET_BYTES + _ID_BYTES


class HmacApiKeys:
    """Makes keys (`chassis.identity.api_key` has their form) and HMAC-SHA256 of them.

    Passwords need Argon2id since people choose them: a slow hash makes each of few guesses
    dear. A key holds 256 random bits, which nobody tries through however cheap a try is, and
    it comes with requests that may not cost 20 ms each. The HMAC's key is derived from the
    master key, so that who can write the table alone cannot put a key of their own into it.
    """

    def __init__(self, key: bytes, *accepted: bytes) -> None:
        """Takes the keys of the HMAC.

        Args:
            key: 32 secret bytes, used for nothing else.
            accepted: Keys whose digests match as well.
        """
        self._keys = (key, *accepted)

    def draw(self, attempt: Attempt | None = None) -> DrawnKey:
        """Returns a new key, the same one each time for an attempt.

        An attempt's key cannot be drawn any more once its row is gone, which is after a day:
        nobody else knows the id.
        """
        drawn = os.urandom(_DRAWN_BYTES) if attempt is None else self._drawn(attempt)
        found_by = base64.b32encode(drawn[_SECRET_BYTES:]).decode().lower()
        prefix = (api_key.MARK + found_by)[: api_key.PREFIX_LENGTH]
        text = f"{prefix}_{drawn[:_SECRET_BYTES].hex()}"
        return DrawnKey(text=text, prefix=prefix, digest=self.digest(text))

    def prefix(self, text: str) -> str | None:
        """Returns what a key is found by; None when the text cannot be a key."""
        return api_key.prefix_of(text)

    def matches(self, text: str, digest: bytes) -> bool:
        """Whether this is the key of the digest."""
        ours = [hmac.digest(key, text.encode(), hashlib.sha256) for key in self._keys]
        return any(hmac.compare_digest(each, digest) for each in ours)

    def digest(self, text: str) -> bytes:
        """Returns what is kept of a key."""
        return hmac.digest(self._keys[0], text.encode(), hashlib.sha256)

    def _drawn(self, attempt: Attempt) -> bytes:
        drawn_for = b"drawn for\n" + attempt.attempt_id.bytes
        return hmac.digest(self._keys[attempt.key_number], drawn_for, hashlib.sha512)[:_DRAWN_BYTES]
