"""Secrets of second factors: TOTP by `pyotp`, sealed by AES-256-GCM; recovery codes under an HMAC."""

import base64
import hashlib
import hmac
import os
import secrets
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import pyotp
from chassis.idempotency.record import IdempotencyRecord
from chassis.sealing import Sealing

from auth_service.domain.second_factor import RECOVERY_CODES, Authenticator, Enrolment

_ISSUER = "Vestibule"
_STEP_SECONDS = 30
_DRIFT_STEPS = 1
_DIGITS = 6
_RECOVERY_BYTES = 15
_GROUP = 4


class TotpSecrets:
    """`SecondFactorSecrets` under two keys derived from the master key."""

    def __init__(self, sealing_keys: Sequence[bytes], digest_keys: Sequence[bytes]) -> None:
        """Takes the keys, each of 32 secret bytes, the one to write with first.

        Args:
            sealing_keys: Seal the secrets.
            digest_keys: Hash recovery codes.
        """
        self._sealing = Sealing(*sealing_keys)
        self._digest_keys = digest_keys

    def seal_new(self, user_id: UUID, account: str) -> tuple[Enrolment, bytes]:
        """Returns a new secret to show, and the same one sealed for its user alone."""
        secret = pyotp.random_base32()
        sealed = self._sealing.seal(secret.encode(), user_id.bytes)
        uri = pyotp.TOTP(secret).provisioning_uri(name=account, issuer_name=_ISSUER)
        return Enrolment(secret=secret, uri=uri), sealed

    def seal(self, user_id: UUID, secret: str) -> bytes:
        """Returns another system's secret in base32, sealed for its user alone."""
        return self._sealing.seal(secret.encode(), user_id.bytes)

    def step_of(self, authenticator: Authenticator, code: str, at: datetime) -> int | None:
        """Returns the time step that the code belongs to; None when it is none near `at`."""
        code = code.replace(" ", "")
        if len(code) != _DIGITS or not code.isascii() or not code.isdecimal():
            return None
        secret = self._sealing.open(authenticator.sealed_secret, authenticator.user_id.bytes).decode()
        totp = pyotp.TOTP(secret)
        present = int(at.timestamp()) // _STEP_SECONDS
        found = None
        for step in range(present - _DRIFT_STEPS, present + _DRIFT_STEPS + 1):
            # Every step is compared, so that the time does not reveal which one it was.
            if hmac.compare_digest(totp.generate_otp(step), code) and step > authenticator.last_step:
                found = step
        return found

    def sealed_again(self, user_id: UUID, sealed_secret: bytes) -> bytes | None:
        """Returns a user's secret sealed under the key that writes; None when it is already.

        Raises:
            InvalidTag: no key opens it, or it was altered.
        """
        return self._sealing.sealed_again(sealed_secret, user_id.bytes)

    def recovery_codes(self, idempotency: IdempotencyRecord | None = None) -> Sequence[str]:
        """Returns new recovery codes of 120 bits in groups of four letters, the same for a record."""
        return [_grouped(base64.b32encode(self._drawn(idempotency, n))) for n in range(RECOVERY_CODES)]

    def recovery_digests(self, user_id: UUID, code: str) -> Sequence[bytes]:
        """Returns what may be kept of a user's recovery code; case, spaces and dashes do not matter."""
        plain = code.replace("-", "").replace(" ", "").lower().encode()
        return [hmac.digest(key, user_id.bytes + plain, hashlib.sha256) for key in self._digest_keys]

    def _drawn(self, idempotency: IdempotencyRecord | None, number: int) -> bytes:
        if idempotency is None:
            return os.urandom(_RECOVERY_BYTES)
        drawn_for = b"drawn for\n" + idempotency.attempt_id.bytes + bytes((number,))
        key = self._digest_keys[idempotency.key_number]
        return hmac.digest(key, drawn_for, hashlib.sha256)[:_RECOVERY_BYTES]

    def challenge(self) -> str:
        """Returns a token of 256 bits."""
        return secrets.token_urlsafe(32)

    def challenge_digest(self, token: str) -> bytes:
        """Returns the SHA-256 of a token: there is nothing in it to guess."""
        return hashlib.sha256(token.encode()).digest()


def _grouped(code: bytes) -> str:
    text = code.decode().lower()
    return "-".join(text[start : start + _GROUP] for start in range(0, len(text), _GROUP))
