"""API keys: drawn from the operating system, kept under an HMAC."""

import base64
import hashlib
import hmac
import os
import secrets

from chassis.identity import api_key

from auth_service.domain.api_key import DrawnKey

_ID_BYTES = 8
_SECRET_BYTES = 32


class HmacApiKeys:
    """Makes keys (`chassis.identity.api_key` has their form) and HMAC-SHA256 of them.

    Passwords need Argon2id since people choose them: a slow hash makes each of few guesses
    dear. A key holds 256 random bits, which nobody tries through however cheap a try is, and
    it comes with requests that may not cost 20 ms each. The HMAC's key is derived from the
    master key, so that who can write the table alone cannot put a key of their own into it.
    """

    def __init__(self, key: bytes) -> None:
        """Takes the key of the HMAC.

        Args:
            key: 32 secret bytes, used for nothing else.
        """
        self._key = key

    def draw(self) -> DrawnKey:
        """Returns a new key."""
        found_by = base64.b32encode(os.urandom(_ID_BYTES)).decode().lower()
        prefix = (api_key.MARK + found_by)[: api_key.PREFIX_LENGTH]
        text = f"{prefix}_{secrets.token_hex(_SECRET_BYTES)}"
        return DrawnKey(text=text, prefix=prefix, digest=self._digest(text))

    def prefix(self, text: str) -> str | None:
        """Returns what a key is found by; None when the text cannot be a key."""
        return api_key.prefix_of(text)

    def matches(self, text: str, digest: bytes) -> bool:
        """Whether this is the key of the digest."""
        return hmac.compare_digest(self._digest(text), digest)

    def _digest(self, text: str) -> bytes:
        return hmac.digest(self._key, text.encode(), hashlib.sha256)
