"""The master key: encrypts signing keys, and the other secrets are derived from it."""

import base64
import hashlib
import hmac
from dataclasses import replace
from datetime import datetime

from chassis.sealing import Sealing, derived_key, key_name
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from auth_service.domain.audit_export import ExportedKey
from auth_service.domain.errors import MasterKeyMismatch
from auth_service.domain.signing_key import RetiredKey, SigningKey

_COORDINATE_BYTES = 32
_MISMATCH = (
    "AUTH_MASTER_KEY does not open the signing keys stored in Postgres; start with the key that they"
    " were sealed under, or name that one in AUTH_MASTER_KEYS_ACCEPTED"
)


class MasterKey:
    """Seals private keys by AES-256-GCM, each bound to its `kid`, and derives keys by HKDF."""

    def __init__(self, key: bytes, *accepted: bytes) -> None:
        """Takes the keys.

        Args:
            key: 32 secret bytes, which everything new is made with.
            accepted: Keys by which is read what was made with them: the one before, or the next one.
        """
        self._sealing = Sealing(key, *accepted)
        self._keys = (key, *accepted)

    @property
    def key_id(self) -> str:
        """A name for the key that writes, from which the key cannot be computed."""
        return key_name(self._keys[0])

    def derived(self, purpose: str) -> bytes:
        """Returns 32 bytes of the key that writes: for one purpose, independent of other purposes'."""
        return derived_key(self._keys[0], purpose)

    def every(self, purpose: str) -> tuple[bytes, ...]:
        """Returns what is derived for a purpose of each key, that of the writing key first."""
        return tuple(derived_key(key, purpose) for key in self._keys)

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
        sealed = self._sealing.seal(der, kid.encode())
        return SigningKey(
            kid=kid, x=x, y=y, sealed_private_key=sealed, published_at=at, active_from=active_from or at
        )

    def opened(self, key: SigningKey) -> ec.EllipticCurvePrivateKey:
        """Returns a key's private half.

        Raises:
            MasterKeyMismatch: it was sealed under another master key, or altered.
        """
        try:
            der = self._sealing.open(key.sealed_private_key, key.kid.encode())
        except InvalidTag as error:
            raise MasterKeyMismatch(_MISMATCH) from error
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
        """Returns a proof, for anyone with the master key, that the public half belongs to this system.

        Raises:
            MasterKeyMismatch: the key was sealed under another master key, or altered.
        """
        if self.opened(key).public_key() != public_key(key):
            raise MasterKeyMismatch(f"the public half of signing key {key.kid} was altered in Postgres")
        return self._attestations(key)[0]

    def attested(self, key: RetiredKey) -> bool:
        """Whether a retired key was ours."""
        return any(self._attests(key, ours) for ours in self._attestations(key))

    def sealed_again(self, key: SigningKey) -> SigningKey | None:
        """Returns the key sealed under the key that writes; None when it is already.

        Raises:
            MasterKeyMismatch: no key opens it, or it was altered.
        """
        try:
            sealed = self._sealing.sealed_again(key.sealed_private_key, key.kid.encode())
        except InvalidTag as error:
            raise MasterKeyMismatch(_MISMATCH) from error
        return None if sealed is None else replace(key, sealed_private_key=sealed)

    def attested_again(self, key: RetiredKey) -> bytes | None:
        """Returns an attestation under the key that writes; None when it has one, or is not ours."""
        newest = self._attestations(key)[0]
        return None if self._attests(key, newest) or not self.attested(key) else newest

    def _attestations(self, key: SigningKey | RetiredKey) -> tuple[bytes, ...]:
        text = f"{key.kid}.{key.x}.{key.y}".encode()
        return tuple(hmac.digest(secret, text, "sha256") for secret in self.every("signing-key-attestations"))

    @staticmethod
    def _attests(key: RetiredKey, ours: bytes) -> bool:
        kept = (key.attestation, *key.later_attestations)
        return any(hmac.compare_digest(each, ours) for each in kept)


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
