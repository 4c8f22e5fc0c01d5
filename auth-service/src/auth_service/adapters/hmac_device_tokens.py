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

    def __init__(self, key: bytes, *accepted: bytes) -> None:
        self._keys = (key, *accepted)

    def issue(self, account: bytes, password_hash: str) -> str:
        """Returns a token for a browser that has just signed in."""
        name = secrets.token_bytes(_PART_BYTES)
        key = self._keys[0]
        token = name + _tag(key, b"account\0", name, account) + _password_tag(key, name, password_hash)
        return base64.urlsafe_b64encode(token).decode("ascii")

    def client(self, token: str, account: bytes) -> bytes | None:
        """Returns the name under which the browser's guesses are counted; None if it is another account's."""
        parts = _parts(token)
        for key in self._keys if parts else ():
            if parts and hmac.compare_digest(parts[1], _tag(key, b"account\0", parts[0], account)):
                return _tag(key, b"client\0", parts[0], account)
        return None

    def is_current(self, token: str, password_hash: str) -> bool:
        """Whether the account still has the password that it was issued for."""
        parts = _parts(token)
        if parts is None:
            return False
        tags = [_password_tag(key, parts[0], password_hash) for key in self._keys]
        return any(hmac.compare_digest(parts[2], tag) for tag in tags)


def _password_tag(key: bytes, name: bytes, password_hash: str) -> bytes:
    return _tag(key, b"password\0", name, password_hash.encode())


def _tag(key: bytes, kind: bytes, name: bytes, of: bytes) -> bytes:
    return hmac.digest(key, kind + name + of, hashlib.sha256)[:_PART_BYTES]


def _parts(token: str) -> tuple[bytes, bytes, bytes] | None:
    try:
        raw = base64.b64decode(token, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(raw) != _TOKEN_BYTES:
        return None
    return raw[:_PART_BYTES], raw[_PART_BYTES : 2 * _PART_BYTES], raw[2 * _PART_BYTES :]
