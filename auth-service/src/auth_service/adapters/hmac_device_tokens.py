"""Tokens of browsers that have signed in before: random, bound to account and password by HMACs."""

import base64
import binascii
import hashlib
import hmac
import secrets

_PART_BYTES = 16
_TOKEN_BYTES = 3 * _PART_BYTES


class HmacDeviceTokens:
    """`DeviceTokens` without a table: a name by chance, and who can vouch for it under a key of its own."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def issue(self, account: bytes, password_hash: str) -> str:
        """Returns a token for a browser that has just signed in."""
        name = secrets.token_bytes(_PART_BYTES)
        token = name + self._tag(b"account\0", name, account) + self._password_tag(name, password_hash)
        return base64.urlsafe_b64encode(token).decode("ascii")

    def client(self, token: str, account: bytes) -> bytes | None:
        """Returns the name under which the browser's guesses are counted; None if it is another account's."""
        parts = _parts(token)
        if parts is None or not hmac.compare_digest(parts[1], self._tag(b"account\0", parts[0], account)):
            return None
        return self._tag(b"client\0", parts[0], account)

    def is_current(self, token: str, password_hash: str) -> bool:
        """Whether the account still has the password that it was issued for."""
        parts = _parts(token)
        if parts is None:
            return False
        return hmac.compare_digest(parts[2], self._password_tag(parts[0], password_hash))

    def _password_tag(self, name: bytes, password_hash: str) -> bytes:
        return self._tag(b"password\0", name, password_hash.encode())

    def _tag(self, kind: bytes, name: bytes, of: bytes) -> bytes:
        return hmac.digest(self._key, kind + name + of, hashlib.sha256)[:_PART_BYTES]


def _parts(token: str) -> tuple[bytes, bytes, bytes] | None:
    try:
        raw = base64.b64decode(token, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(raw) != _TOKEN_BYTES:
        return None
    return raw[:_PART_BYTES], raw[_PART_BYTES : 2 * _PART_BYTES], raw[2 * _PART_BYTES :]
