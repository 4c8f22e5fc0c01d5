"""Refresh tokens: a session and a counter under an HMAC. Nothing of them is stored."""

import base64
import binascii
import hashlib
import hmac
import struct
from uuid import UUID

from auth_service.domain.session import RefreshToken

_VERSION = 1
_BODY = struct.Struct(">B16sQ")
_MAC_BYTES = 32


class HmacRefreshTokens:
    """Makes and reads `base64url(version | session id | counter | HMAC-SHA256)`.

    The same session and counter always give the same token: two tabs that refresh at once
    are given the same successor, and a refresh that Postgres rolled back can be repeated.
    """

    def __init__(self, key: bytes, *accepted: bytes) -> None:
        """Takes the keys.

        Args:
            key: 32 secret bytes, used for nothing else.
            accepted: Keys whose tokens are read as well.
        """
        self._keys = (key, *accepted)

    def write(self, token: RefreshToken) -> str:
        """Returns the token as clients keep it."""
        body = _BODY.pack(_VERSION, token.session_id.bytes, token.counter)
        return base64.urlsafe_b64encode(body + _mac(self._keys[0], body)).decode()

    def read(self, text: str) -> RefreshToken | None:
        """Returns what the token names; None when we did not make it."""
        try:
            raw = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        if len(raw) != _BODY.size + _MAC_BYTES:
            return None
        body = raw[: _BODY.size]
        if not any(hmac.compare_digest(raw[_BODY.size :], _mac(key, body)) for key in self._keys):
            return None
        version, session, counter = _BODY.unpack(body)
        if version != _VERSION:
            return None
        return RefreshToken(session_id=UUID(bytes=session), counter=counter)


def _mac(key: bytes, body: bytes) -> bytes:
    return hmac.digest(key, body, hashlib.sha256)
