"""Requests under an HMAC, responses sealed by AES-256-GCM: both may hold secrets and personal data."""

import hashlib
import hmac
from collections.abc import Sequence

from chassis.idempotency.record import IdempotencyKey, Request
from chassis.identity.caller import Caller
from chassis.sealing import Sealing, derived_key


class SealedResponses:
    """`ResponseSeal` under two keys that a service derives from its master key."""

    @classmethod
    def under(cls, master_keys: Sequence[bytes]) -> "SealedResponses":
        """Derives the keys from a service's master keys, the one to write with first."""
        return cls(
            [derived_key(key, "first-answers") for key in master_keys],
            [derived_key(key, "first-answer-names") for key in master_keys],
        )

    def __init__(self, sealing_keys: Sequence[bytes], digest_keys: Sequence[bytes]) -> None:
        """Takes the keys, each of 32 secret bytes, the one to write with first.

        Args:
            sealing_keys: Seal responses.
            digest_keys: Hash requests.
        """
        self._sealing = Sealing(*sealing_keys)
        self._digest_keys = digest_keys

    def keys(self, caller: Caller, key: str, request: Request) -> Sequence[IdempotencyKey]:
        """Returns the key of a request under each accepted master key, the newest first."""
        return [self._key(number, caller, key, request) for number in range(len(self._digest_keys))]

    def _key(self, number: int, caller: Caller, key: str, request: Request) -> IdempotencyKey:
        # A client is a user or, without a token, an address.
        client = f"user {caller.user_id}" if caller.user_id else f"address {caller.client_address}"
        is_shared = caller.user_id is None and request.proves
        return IdempotencyKey(
            name=self._digest(number, b"name\n" + client.encode() + b"\n" + key.encode()),
            shared_name=self._digest(number, b"shared\n" + key.encode() + b"\n" + request.asked)
            if is_shared
            else None,
            fingerprint=self._digest(number, b"asked\n" + request.asked),
            user_id=caller.user_id,
            session_id=caller.session_id,
            key_number=number,
        )

    def seal(self, name: bytes, response: bytes) -> bytes:
        """Encrypts a response, for the key of this name alone."""
        return self._sealing.seal(response, name)

    def open(self, name: bytes, sealed: bytes) -> bytes:
        """Decrypts a response."""
        return self._sealing.open(sealed, name)

    def _digest(self, number: int, text: bytes) -> bytes:
        return hmac.digest(self._digest_keys[number], text, hashlib.sha256)
