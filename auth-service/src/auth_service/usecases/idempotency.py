"""Idempotent requests: a response is stored, and replayed to the client that repeats its request."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from chassis.errors import Unavailable
from chassis.identity.caller import Caller
from chassis.ids import uuid7

from auth_service.domain.errors import IdempotencyKeyReused, KeptAnswerEnded
from auth_service.domain.idempotency import AnswerSeal, Attempt, Question, Request
from auth_service.domain.password import PasswordHasher
from auth_service.domain.unit_of_work import UnitOfWork, UnitsOfWork

_LOOK_SECONDS = 0.05
_MARGIN_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class AnswerOnce:
    """Keeps the first answer of a call, and gives it again to whoever proves the same secret.

    The answer is kept after the work has committed and before anybody is told. Who dies in
    between leaves an attempt without an answer, which the next call takes up: by its id or its
    outcome the work can tell that it has been done.
    """

    units: UnitsOfWork
    seal: AnswerSeal
    hasher: PasswordHasher

    async def __call__(
        self,
        *,
        caller: Caller,
        key: str,
        request: Request,
        seconds: float,
        work: Callable[[Attempt], Awaitable[tuple[bytes, bool]]],
    ) -> tuple[bytes, bool]:
        """Answers.

        Args:
            caller: Who asks.
            key: The client's name for this call.
            request: What is asked.
            seconds: How long the answer may take.
            work: Does what is asked and returns the answer, and whether it is for good: one
                that only tells to try again is not kept.

        Returns:
            The answer, and whether it was given before.

        Raises:
            IdempotencyKeyReused: the client asked something else under this key, or with another secret.
            KeptAnswerEnded: it was answered, and what the answer gave has ended since; or it was asked
                for with wrong secrets too often.
            Unavailable: the same call is still being answered, or too many passwords wait.
        """
        questions = self.seal.questions(caller, key, request)
        question, secret_hash = await self._recognize(questions, request.secret)
        attempt, given = await self._take_up(question, request.secret, secret_hash, seconds)
        if given is not None:
            return given, True
        kept = False
        try:
            answer, is_final = await work(attempt)
            if is_final:
                async with self.units.statements() as unit:
                    sealed = self.seal.seal(question.name, answer)
                    kept = await unit.attempts.answer(question.name, sealed)
        finally:
            if not kept:
                # Also when the caller has hung up: whoever asks again is not to wait for nobody.
                await asyncio.shield(self._release(question))
        return answer, False

    async def _recognize(
        self, questions: Sequence[Question], secret: str | None
    ) -> tuple[Question, str | None]:
        """Returns the question by the name under which it is known, and the hash that the secret matches.

        A client that is not signed in is known by its address, and at another one by its secret. While
        a master key follows another, a question may be known by the name that the other gives it.
        """
        newest = questions[0]
        if len(questions) == 1 and newest.shared_name is None and secret is None:
            return newest, None
        for question in questions:
            async with self.units.statements() as unit:
                known = await unit.attempts.known(question)
            for attempt in known:
                if attempt.name == question.name:
                    # Whether it is the same question, and the same secret, is seen when it is taken up.
                    return question, None
                if await self._is_secret(attempt, secret):
                    return replace(question, name=attempt.name), attempt.secret_hash
        return newest, None if secret is None else await self.hasher.hash(secret)

    async def _take_up(
        self, question: Question, secret: str | None, secret_hash: str | None, seconds: float
    ) -> tuple[Attempt, bytes | None]:
        """Returns the attempt to make, or the answer that was given."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds - _MARGIN_SECONDS
        while True:
            async with self.units.statements() as unit:
                attempt = await unit.attempts.begin(
                    question, uuid7(), timedelta(seconds=seconds), secret_hash
                )
            attempt = replace(attempt, key_number=question.key_number)
            if attempt.fingerprint != question.fingerprint:
                raise IdempotencyKeyReused.on("Idempotency-Key", "was used with another request")
            if attempt.is_exhausted:
                raise KeptAnswerEnded
            if attempt.secret_hash != secret_hash:
                # Somebody was there before: what is answered there is answered to that secret alone.
                await self._require_secret(attempt, question, secret)
                secret_hash = attempt.secret_hash
            if attempt.is_ended and question.asker is not None:
                raise KeptAnswerEnded
            if attempt.is_ours:
                return attempt, None
            if attempt.sealed_answer is not None:
                return attempt, self.seal.open(question.name, attempt.sealed_answer)
            if loop.time() >= until:
                raise Unavailable
            await asyncio.sleep(_LOOK_SECONDS)

    async def _require_secret(self, attempt: Attempt, question: Question, secret: str | None) -> None:
        try:
            is_secret = await self._is_secret(replace(attempt, name=question.name), secret)
        except Unavailable:
            if attempt.is_ours:
                await self._release(question)
            raise
        if not is_secret:
            if attempt.is_ours:
                await self._release(question)
            raise IdempotencyKeyReused.on("Idempotency-Key", "was used with another request")

    async def _is_secret(self, attempt: Attempt, secret: str | None) -> bool:
        """Whether the secret is the first one; how often it is not is counted."""
        if secret is None or attempt.secret_hash is None:
            return secret is None and attempt.secret_hash is None
        if await self.hasher.verify(attempt.secret_hash, secret):
            return True
        async with self.units.statements() as unit:
            await unit.attempts.note_wrong_secret(attempt.name)
        return False

    async def _release(self, question: Question) -> None:
        async with self.units.statements() as unit:
            await unit.attempts.release(question.name)


def outcome_of(attempt: Attempt | None) -> UUID | None:
    """Returns what was made under this attempt already, by a call of which nobody was told."""
    return None if attempt is None else attempt.outcome


async def settle(unit: UnitOfWork, attempt: Attempt | None, outcome: UUID) -> None:
    """Notes with a change what the attempt came to, so that it is not made twice.

    Raises:
        Unavailable: somebody who had been given up for dead has made the change; the next call
            is told of it.
    """
    if attempt is not None and not await unit.attempts.settle(attempt.attempt_id, outcome):
        raise Unavailable
