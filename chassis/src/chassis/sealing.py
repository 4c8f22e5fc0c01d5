"""AES-256-GCM under one key, and reading what was sealed under others that are still accepted."""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE_BYTES = 12


class Sealing:
    """Seals with the first key, opens with any: so that a key can be replaced while both are in use."""

    def __init__(self, key: bytes, *accepted: bytes) -> None:
        """Takes the keys.

        Args:
            key: 32 secret bytes that seal.
            accepted: Keys that open as well.
        """
        self._writing = AESGCM(key)
        self._reading = (self._writing, *(AESGCM(each) for each in accepted))

    def seal(self, plain: bytes, bound_to: bytes) -> bytes:
        """Returns what only `open` with the same `bound_to` can read."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._writing.encrypt(nonce, plain, bound_to)

    def open(self, sealed: bytes, bound_to: bytes) -> bytes:
        """Returns what was sealed.

        Raises:
            InvalidTag: no key opens it, or it was altered.
        """
        for aead in self._reading:
            try:
                return aead.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound_to)
            except InvalidTag:
                continue
        raise InvalidTag

    def sealed_again(self, sealed: bytes, bound_to: bytes) -> bytes | None:
        """Returns the same under the first key; None when it is already.

        Raises:
            InvalidTag: no key opens it, or it was altered.
        """
        try:
            self._writing.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound_to)
        except InvalidTag:
            return self.seal(self.open(sealed, bound_to), bound_to)
        return None


def derived_key(master_key: bytes, purpose: str) -> bytes:
    """Returns 32 bytes of a master key: for one purpose, independent of other purposes'."""
    hkdf = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=b"vestibule/" + purpose.encode())
    return hkdf.derive(master_key)


def key_name(master_key: bytes) -> str:
    """Returns a name for a master key, from which the key cannot be computed."""
    return derived_key(master_key, "master-key-names")[:8].hex()
