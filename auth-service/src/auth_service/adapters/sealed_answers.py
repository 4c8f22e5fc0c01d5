"""Questions under an HMAC, answers sealed by AES-256-GCM: both may hold secrets and personal data."""

import hashlib
import hmac
from collections.abc import Sequence

from chassis.identity.caller import Caller
from chassis.sealing import Sealing

from auth_service.domain.idempotency import IdempotencyKey, Request


class SealedAnswers:
    """`ResponseSeal` under two keys derived from the master key."""

    def __init__(self, sealing_keys: Sequence[bytes], digest_keys: Sequence[bytes]) -> None:
        """Takes the keys, each of 32 secret bytes, the one to write with first.

        Args:
            sealing_keys: Seal answers.
            digest_keys: Hash questions.
        """
        self._sealing = Sealing(*sealing_keys)
        self._digest_keys = digest_keys

    def keys(self, caller: Caller, key: str, request: Request) -> Sequence[IdempotencyKey]:
        """Returns the key, as each key names it."""
        return [self._question(number, caller, key, request) for number in range(len(self._digest_keys))]

    def _question(self, number: int, caller: Caller, key: str, request: Request) -> IdempotencyKey:
        # A client is a user, or the address of one who is not signed in.
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

    def seal(self, name: bytes, answer: bytes) -> bytes:
        """Returns an answer that only `open` can read, for this key alone."""
        return self._sealing.seal(answer, name)

    def open(self, name: bytes, sealed_answer: bytes) -> bytes:
        """Returns the answer."""
        return self._sealing.open(sealed_answer, name)

    def _digest(self, number: int, text: bytes) -> bytes:
        return hmac.digest(self._digest_keys[number], text, hashlib.sha256)
