"""Questions under an HMAC, answers sealed by AES-256-GCM: both may hold secrets and personal data."""

import hashlib
import hmac
import os

from chassis.identity.caller import Caller
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from auth_service.domain.idempotency import Question, Request

_NONCE_BYTES = 12


class SealedAnswers:
    """`AnswerSeal` under two keys derived from the master key."""

    def __init__(self, sealing_key: bytes, digest_key: bytes) -> None:
        """Takes the keys.

        Args:
            sealing_key: 32 secret bytes that seal answers.
            digest_key: 32 secret bytes that questions are hashed with.
        """
        self._aead = AESGCM(sealing_key)
        self._digest_key = digest_key

    def question(self, caller: Caller, key: str, request: Request) -> Question:
        """Returns the question; a client is a person, or the address of somebody who is not signed in."""
        client = f"user {caller.user_id}" if caller.user_id else f"address {caller.client_address}"
        is_shared = caller.user_id is None and request.proves
        return Question(
            name=self._digest(b"name\n" + client.encode() + b"\n" + key.encode()),
            shared_name=self._digest(b"shared\n" + key.encode() + b"\n" + request.asked)
            if is_shared
            else None,
            fingerprint=self._digest(b"asked\n" + request.asked),
            asker=caller.user_id,
            session_id=caller.session_id,
        )

    def seal(self, name: bytes, answer: bytes) -> bytes:
        """Returns an answer that only `open` can read, for this question alone."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, answer, name)

    def open(self, name: bytes, sealed_answer: bytes) -> bytes:
        """Returns the answer."""
        return self._aead.decrypt(sealed_answer[:_NONCE_BYTES], sealed_answer[_NONCE_BYTES:], name)

    def _digest(self, text: bytes) -> bytes:
        return hmac.digest(self._digest_key, text, hashlib.sha256)
