"""Idempotency: a response is stored, and replayed when the client repeats its request."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from chassis.dataclass import dataclass
from chassis.identity.caller import Caller

RESPONSES_KEPT = timedelta(hours=24)
"""How long a response is replayed."""

WRONG_SECRETS_MAX = 5
"""How often a stored response may be asked for with another secret before it is replayed to no client."""

SHARED_MAX = 3
"""With how many records of other clients, equal but for their secrets, one secret is compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a request asks, split by how hard it is to guess.

    Attributes:
        asked: The method and every field but `secret`'s; the same bytes each time.
        secret: What users choose or type, such as passwords and codes, of which no fast hash may be
            stored; None without any.
        proves: Whether the request holds something that only its sender knows.
    """

    asked: bytes
    secret: str | None = None
    proves: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyKey:
    """The key of a request that its client may repeat.

    Attributes:
        name: HMAC of the client and its `Idempotency-Key`.
        shared_name: HMAC of the `Idempotency-Key` and the request, without the client, whose address may
            change; None unless a client that is not signed in proves a secret.
        fingerprint: HMAC of the request without its secret.
        user_id: The user, whose erasure deletes the record; None for a client that is not signed in.
        session_id: The session of the request; None outside of sessions.
        key_number: Which of the accepted master keys the HMACs are made with; 0 for the newest.
    """

    name: bytes
    shared_name: bytes | None = None
    fingerprint: bytes
    user_id: UUID | None
    session_id: UUID | None = None
    key_number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyRecord:
    """What is stored under a key.

    Attributes:
        attempt_id: The same for every repetition of the request.
        name: The key's.
        fingerprint: Of the first request.
        secret_hash: Argon2id hash of the first request's secret; None without one.
        sealed_answer: The response, encrypted; None before there is one.
        outcome: The id of what the request made or changed; None before that is committed.
        is_ours: Whether this call is to run the request.
        is_ended: Whether what the response gave has ended since.
        wrong_secrets: How often it was asked for with another secret.
        key_number: The key's.
    """

    attempt_id: UUID
    name: bytes = b""
    fingerprint: bytes
    secret_hash: str | None = None
    sealed_answer: bytes | None = None
    outcome: UUID | None = None
    is_ours: bool = False
    is_ended: bool = False
    wrong_secrets: int = 0
    key_number: int = 0

    @property
    def is_exhausted(self) -> bool:
        """Whether too many wrong secrets were sent: the response is replayed to no client any more."""
        return self.wrong_secrets >= WRONG_SECRETS_MAX


class IdempotencyRepository(Protocol):
    """Stores one record per key."""

    async def find(self, key: IdempotencyKey) -> Sequence[IdempotencyRecord]:
        """Returns the client's own record if there is one, else those of others with the shared name.

        At most `SHARED_MAX`, the newest first, and none that is exhausted.
        """
        ...

    async def begin(
        self, key: IdempotencyKey, attempt_id: UUID, lease: timedelta, secret_hash: str | None = None
    ) -> IdempotencyRecord:
        """Takes the record over, unless another call is running the request or has stored the response.

        Args:
            key: The key.
            attempt_id: The record's, if it is new.
            lease: How long no other call may take it over.
            secret_hash: The record's, if it is new.
        """
        ...

    async def record_outcome(self, attempt_id: UUID, outcome: UUID) -> bool:
        """Records what the request made or changed, in the transaction of the change.

        Returns:
            Whether there was no outcome yet.
        """
        ...

    async def store_response(self, name: bytes, sealed_answer: bytes) -> bool:
        """Stores the response, unless there is one or the record has ended; says whether it did."""
        ...

    async def release(self, name: bytes) -> None:
        """Lets the next retry take the record over at once."""
        ...

    async def count_wrong_secret(self, name: bytes) -> None:
        """Counts a retry with a wrong secret; deletes the response when that exhausts the record."""
        ...

    async def erase(self, user_id: UUID) -> None:
        """Deletes a user's records."""
        ...


class IdempotentUnit(Protocol):
    """A unit of work with the records."""

    @property
    def idempotency(self) -> IdempotencyRepository:
        """The records."""
        ...


class IdempotentUnits(Protocol):
    """Opens such units of work."""

    def statements(self) -> AbstractAsyncContextManager[IdempotentUnit]:
        """Opens a unit whose statements commit one by one."""
        ...


class SecretHasher(Protocol):
    """Hashes what users choose, slowly enough that a stolen hash is of no use."""

    async def hash(self, secret: str, /) -> str:
        """Returns a hash."""
        ...

    async def verify(self, encoded: str, secret: str, /) -> bool:
        """Returns whether the hash is the secret's."""
        ...


class ResponseSeal(Protocol):
    """Keeps requests and responses unreadable in the database."""

    def keys(self, caller: Caller, client_key: str, request: Request) -> Sequence[IdempotencyKey]:
        """Returns the key of a request under each accepted master key, the newest first."""
        ...

    def seal(self, name: bytes, response: bytes) -> bytes:
        """Encrypts a response, for the key of this name alone."""
        ...

    def open(self, name: bytes, sealed: bytes) -> bytes:
        """Decrypts a response."""
        ...
