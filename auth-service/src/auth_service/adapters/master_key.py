"""The master key: seals signing keys and gives birth to the other secrets."""

import base64
import hashlib
import hmac
import os
from datetime import datetime

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from auth_service.domain.audit_export import ExportedKey
from auth_service.domain.errors import MasterKeyMismatch
from auth_service.domain.signing_key import RetiredKey, SigningKey

_NONCE_BYTES = 12
_COORDINATE_BYTES = 32


class MasterKey:
    """Seals private keys by AES-256-GCM, each bound to its `kid`, and derives keys by HKDF."""

    def __init__(self, key: bytes) -> None:
        """Takes the key.

        Args:
            key: 32 secret bytes.
        """
        self._aead = AESGCM(key)
        self._key = key

    def derived(self, purpose: str) -> bytes:
        """Returns 32 bytes that serve one purpose and tell nothing of the others."""
        hkdf = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=b"vestibule/" + purpose.encode())
        return hkdf.derive(self._key)

    def generate(self, at: datetime, active_from: datetime | None = None) -> SigningKey:
        """Returns a new key, published from then on, and active from then on or from later."""
        private = ec.generate_private_key(ec.SECP256R1())
        numbers = private.public_key().public_numbers()
        x, y = _base64url(numbers.x), _base64url(numbers.y)
        kid = thumbprint(x, y)
        der = private.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + self._aead.encrypt(nonce, der, kid.encode())
        return SigningKey(
            kid=kid, x=x, y=y, sealed_private_key=sealed, published_at=at, active_from=active_from or at
        )

    def opened(self, key: SigningKey) -> ec.EllipticCurvePrivateKey:
        """Returns a key's private half.

        Raises:
            MasterKeyMismatch: it was sealed under another master key, or altered.
        """
        nonce, sealed = key.sealed_private_key[:_NONCE_BYTES], key.sealed_private_key[_NONCE_BYTES:]
        try:
            der = self._aead.decrypt(nonce, sealed, key.kid.encode())
        except InvalidTag as error:
            raise MasterKeyMismatch(
                "AUTH_MASTER_KEY does not open the signing keys stored in Postgres; "
                "start with the key that they were sealed under"
            ) from error
        private = serialization.load_der_private_key(der, password=None)
        if not isinstance(private, ec.EllipticCurvePrivateKey):
            raise MasterKeyMismatch(f"signing key {key.kid} is not an elliptic curve key")
        return private

    def check(self, key: SigningKey) -> None:
        """Opens the key's private half.

        Raises:
            MasterKeyMismatch: it was sealed under another master key.
        """
        self.opened(key)

    def attest(self, key: SigningKey) -> bytes:
        """Returns what shows for ever, to whoever has the master key, that the public half is ours.

        Raises:
            MasterKeyMismatch: the key was sealed under another master key, or altered.
        """
        if self.opened(key).public_key() != public_key(key):
            raise MasterKeyMismatch(f"the public half of signing key {key.kid} was altered in Postgres")
        return self._attestation(key.kid, key.x, key.y)

    def attested(self, key: RetiredKey) -> bool:
        """Whether a retired key was ours."""
        return hmac.compare_digest(key.attestation, self._attestation(key.kid, key.x, key.y))

    def _attestation(self, kid: str, x: str, y: str) -> bytes:
        secret = self.derived("signing-key-attestations")
        return hmac.digest(secret, f"{kid}.{x}.{y}".encode(), "sha256")


def public_key(key: SigningKey | RetiredKey | ExportedKey) -> ec.EllipticCurvePublicKey:
    """Returns the public half of a signing key."""
    x, y = (int.from_bytes(base64.urlsafe_b64decode(part + "=")) for part in (key.x, key.y))
    return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()


def _base64url(coordinate: int) -> str:
    return base64.urlsafe_b64encode(coordinate.to_bytes(_COORDINATE_BYTES)).decode().rstrip("=")


def thumbprint(x: str, y: str) -> str:
    """Returns the RFC 7638 thumbprint of a P-256 key."""
    canonical = f'{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}'
    return base64.urlsafe_b64encode(hashlib.sha256(canonical.encode()).digest()).decode().rstrip("=")
