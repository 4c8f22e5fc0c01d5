"""Calls that may be made again: the first answer is kept, and given again to the same question."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from chassis.identity.caller import Caller

ANSWERS_KEPT = timedelta(hours=24)
"""How long a first answer is given again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A call that its client may make again.

    Attributes:
        name: Stands for the client and its key; neither can be read from it.
        fingerprint: Stands for what is asked.
        asker: The person who asks, whose erasure takes the answer along; None for strangers.
    """

    name: bytes
    fingerprint: bytes
    asker: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What is known of a question.

    Attributes:
        attempt_id: The same each time that the question is taken up.
        fingerprint: What was asked the first time.
        sealed_answer: The first answer; None while there is none.
        outcome: What was made or changed, when that was done and nobody was told; None before.
        is_ours: Whether it is for this call to answer.
    """

    attempt_id: UUID
    fingerprint: bytes
    sealed_answer: bytes | None = None
    outcome: UUID | None = None
    is_ours: bool = False


class AttemptRepository(Protocol):
    """Keeps one attempt a question."""

    async def begin(self, question: Question, attempt_id: UUID, lease: timedelta) -> Attempt:
        """Takes a question up, unless somebody is at it or has answered it.

        Args:
            question: The question.
            attempt_id: Names the attempt, if it is the first.
            lease: How long everybody else leaves it to this call.
        """
        ...

    async def settle(self, attempt_id: UUID, outcome: UUID) -> bool:
        """Notes what an attempt came to, in the transaction of the change and with the credential locked.

        Returns:
            Whether this is the first change under the attempt.
        """
        ...

    async def answer(self, name: bytes, sealed_answer: bytes) -> None:
        """Keeps the answer of an attempt, unless it has one."""
        ...

    async def release(self, name: bytes) -> None:
        """Lets the next call with the same question take it up at once."""
        ...

    async def erase(self, user_id: UUID) -> None:
        """Forgets what a person asked, and the registration that made the person."""
        ...


class AnswerSeal(Protocol):
    """Keeps questions and answers from whoever reads the database."""

    def question(self, caller: Caller, key: str, asked: bytes) -> Question:
        """Returns the question that a client asks under a key of its own."""
        ...

    def seal(self, name: bytes, answer: bytes) -> bytes:
        """Returns an answer that only `open` can read, for this question alone."""
        ...

    def open(self, name: bytes, sealed_answer: bytes) -> bytes:
        """Returns the answer."""
        ...
