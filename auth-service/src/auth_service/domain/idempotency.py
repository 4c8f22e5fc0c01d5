"""Calls that may be made again: the first answer is kept, and given again to the same question."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from chassis.identity.caller import Caller

ANSWERS_KEPT = timedelta(hours=24)
"""How long a first answer is given again."""

WRONG_SECRETS_MAX = 5
"""How often a kept answer may be asked for with another secret before nobody is given it any more."""

SHARED_MAX = 3
"""How many questions of other clients, alike but for their secrets, one secret is held against."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a call asks, taken apart by how hard it is to guess.

    Attributes:
        asked: The method and everything but what people choose or type; the same bytes each time.
        secret: What people choose or type, such as passwords and codes: no fast hash of it is kept.
            None when there is none.
        proves: Whether it holds something that nobody but its sender knows.
    """

    asked: bytes
    secret: str | None = None
    proves: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A call that its client may make again.

    Attributes:
        name: Stands for the client and its key; neither can be read from it.
        shared_name: Stands for the key and what is asked, whoever asks; None unless somebody who
            is not signed in proves to know a secret: their address may change.
        fingerprint: Stands for what is asked, what people choose or type excepted.
        asker: The person who asks, whose erasure takes the answer along; None for strangers.
        session_id: The session in which it is asked; None outside of sessions.
        key_number: Of the keys that are accepted, the one that it is named by; 0 for the newest.
    """

    name: bytes
    shared_name: bytes | None = None
    fingerprint: bytes
    asker: UUID | None
    session_id: UUID | None = None
    key_number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What is known of a question.

    Attributes:
        attempt_id: The same each time that the question is taken up.
        name: The question's.
        fingerprint: What was asked the first time.
        secret_hash: The Argon2id hash of the secret that was sent the first time; None without one.
        sealed_answer: The first answer; None while there is none.
        outcome: What was made or changed, when that was done and nobody was told; None before.
        is_ours: Whether it is for this call to answer.
        is_ended: Whether what the answer gave has ended since.
        wrong_secrets: How often it was asked for with another secret.
        key_number: The question's.
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
        """Whether so many wrong secrets were sent that nobody is answered under this name any more."""
        return self.wrong_secrets >= WRONG_SECRETS_MAX


class AttemptRepository(Protocol):
    """Keeps one attempt a question."""

    async def known(self, question: Question) -> Sequence[Attempt]:
        """Returns the client's own attempt if there is one; else those of others with the shared name.

        At most `SHARED_MAX`, the newest first, and none that is exhausted.
        """
        ...

    async def begin(
        self, question: Question, attempt_id: UUID, lease: timedelta, secret_hash: str | None = None
    ) -> Attempt:
        """Takes a question up, unless somebody is at it or has answered it.

        Args:
            question: The question.
            attempt_id: Names the attempt, if it is the first.
            lease: How long everybody else leaves it to this call.
            secret_hash: Of the secret that is sent, if it is the first.
        """
        ...

    async def settle(self, attempt_id: UUID, outcome: UUID) -> bool:
        """Notes what an attempt came to, in the transaction of the change and with the credential locked.

        Returns:
            Whether this is the first change under the attempt.
        """
        ...

    async def answer(self, name: bytes, sealed_answer: bytes) -> bool:
        """Keeps the answer of an attempt, unless it has one or has ended; says whether it is kept."""
        ...

    async def release(self, name: bytes) -> None:
        """Lets the next call with the same question take it up at once."""
        ...

    async def note_wrong_secret(self, name: bytes) -> None:
        """Counts that a question was asked with another secret; its answer goes when it is exhausted."""
        ...

    async def end(self, subject_id: UUID) -> None:
        """Drops the answers that a user, a session or a key has been given, in the transaction that ends it.

        That they were asked for is kept, so that nothing is done a second time.
        """
        ...

    async def end_everybodys(self, *, but: UUID) -> None:
        """Drops every answer that was given in or with a session, but those of one session."""
        ...

    async def erase(self, user_id: UUID) -> None:
        """Forgets what a person asked, and the registration that made the person."""
        ...


class AnswerSeal(Protocol):
    """Keeps questions and answers from whoever reads the database."""

    def questions(self, caller: Caller, key: str, request: Request) -> Sequence[Question]:
        """Returns the question that a client asks under a key of its own, as each master key names it.

        The first is the one to ask, unless it was asked by another name before.
        """
        ...

    def seal(self, name: bytes, answer: bytes) -> bytes:
        """Returns an answer that only `open` can read, for this question alone."""
        ...

    def open(self, name: bytes, sealed_answer: bytes) -> bytes:
        """Returns the answer."""
        ...
