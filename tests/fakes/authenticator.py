"""A software authenticator: makes real passkeys, attestations and assertions, and wrong ones on demand."""

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

USER_PRESENT, USER_VERIFIED, ATTESTED = 0x01, 0x04, 0x40
_ES256 = -7


@dataclass
class Credential:
    """A passkey, with its private half."""

    id: bytes
    party_id: str
    user_handle: bytes
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    sign_count: int = 0


@dataclass
class Authenticator:
    """Browser and authenticator in one.

    Attributes:
        origin: Of the page that asks.
        flags: What is reported of the user: present, and verified.
        counts: Whether the counter rises; many authenticators leave it at 0.
        in_frame: Whether the page is in a frame within one of another origin.
    """

    origin: str
    flags: int = USER_PRESENT | USER_VERIFIED
    counts: bool = True
    in_frame: bool = False

    def create(
        self, options: dict[str, Any], *, attestation: str = "none"
    ) -> tuple[Credential, dict[str, Any]]:
        """Makes a passkey and returns it with what `toJSON()` would give.

        Args:
            options: What `navigator.credentials.create` takes.
            attestation: `none`, or `packed`, which the passkey signs itself.
        """
        credential = Credential(secrets.token_bytes(32), options["rp"]["id"], _bytes(options["user"]["id"]))
        point = credential.key.public_key().public_numbers()
        x, y = point.x.to_bytes(32, "big"), point.y.to_bytes(32, "big")
        cose = cbor2.dumps({1: 2, 3: _ES256, -1: 1, -2: x, -3: y})
        length = len(credential.id).to_bytes(2, "big")
        data = self._data(credential, ATTESTED) + bytes(16) + length + credential.id + cose
        client_data = self._client_data("webauthn.create", options["challenge"])
        statement: dict[str, Any] = {}
        if attestation == "packed":
            statement = {"alg": _ES256, "sig": _signature(credential.key, data, client_data)}
        attested = cbor2.dumps({"fmt": attestation, "attStmt": statement, "authData": data})
        response = {
            "clientDataJSON": _text(client_data),
            "attestationObject": _text(attested),
            "authenticatorData": _text(data),
            "transports": ["internal", "hybrid"],
            "publicKeyAlgorithm": _ES256,
        }
        return credential, self._answer(credential, response)

    def get(self, options: dict[str, Any], credential: Credential, **different: Any) -> dict[str, Any]:
        """Signs in with a passkey and returns what `toJSON()` would give.

        Args:
            options: What `navigator.credentials.get` takes.
            credential: The passkey.
            different: Of the credential, what to lie about: `key`, `id`, `party_id`, `user_handle`.
        """
        if self.counts:
            credential.sign_count += 1
        used = Credential(**{**vars(credential), **different})
        data, client_data = self._data(used), self._client_data("webauthn.get", options["challenge"])
        response = {
            "clientDataJSON": _text(client_data),
            "authenticatorData": _text(data),
            "signature": _text(_signature(used.key, data, client_data)),
            "userHandle": _text(used.user_handle),
        }
        return self._answer(used, response)

    def _data(self, credential: Credential, flags: int = 0) -> bytes:
        party = hashlib.sha256(credential.party_id.encode()).digest()
        return party + bytes([self.flags | flags]) + credential.sign_count.to_bytes(4, "big")

    def _client_data(self, kind: str, challenge: str) -> bytes:
        said = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": self.in_frame}
        return json.dumps(said).encode()

    def _answer(self, credential: Credential, response: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": _text(credential.id),
            "rawId": _text(credential.id),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {"credProps": {"rk": True}},
            "response": response,
        }


def _signature(key: ec.EllipticCurvePrivateKey, data: bytes, client_data: bytes) -> bytes:
    return key.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(hashes.SHA256()))


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
