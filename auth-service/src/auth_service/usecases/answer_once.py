"""Answering a call that its client may make again."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from chassis.errors import Unavailable
from chassis.identity.caller import Caller
from chassis.ids import uuid7

from auth_service.domain.errors import IdempotencyKeyReused
from auth_service.domain.idempotency import AnswerSeal, Attempt, Question
from auth_service.domain.stores import Database

_LOOK_SECONDS = 0.05
_MARGIN_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class AnswerOnce:
    """Keeps the first answer of a call, and gives it again.

    The answer is kept after the work has committed and before anybody is told. Who dies in
    between leaves an attempt without an answer, which the next call takes up: by its id or its
    outcome the work can tell that it has been done.
    """

    database: Database
    seal: AnswerSeal

    async def __call__(
        self,
        *,
        caller: Caller,
        key: str,
        asked: bytes,
        seconds: float,
        work: Callable[[Attempt], Awaitable[tuple[bytes, bool]]],
    ) -> tuple[bytes, bool]:
        """Answers.

        Args:
            caller: Who asks.
            key: The client's name for this call.
            asked: What is asked, the same bytes each time.
            seconds: How long the answer may take.
            work: Does what is asked and returns the answer, and whether it is for good: one
                that only tells to try again is not kept.

        Returns:
            The answer, and whether it was given before.

        Raises:
            IdempotencyKeyReused: the client asked something else under this key.
            Unavailable: the same call is still being answered.
        """
        question = self.seal.question(caller, key, asked)
        attempt, given = await self._take_up(question, seconds)
        if given is not None:
            return given, True
        kept = False
        try:
            answer, is_final = await work(attempt)
            if is_final:
                async with self.database.statements() as stores:
                    await stores.attempts.answer(question.name, self.seal.seal(question.name, answer))
                kept = True
        finally:
            if not kept:
                # Also when the caller has hung up: whoever asks again is not to wait for nobody.
                await asyncio.shield(self._release(question))
        return answer, False

    async def _take_up(self, question: Question, seconds: float) -> tuple[Attempt, bytes | None]:
        """Returns the attempt to make, or the answer that was given."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds - _MARGIN_SECONDS
        while True:
            async with self.database.statements() as stores:
                attempt = await stores.attempts.begin(question, uuid7(), timedelta(seconds=seconds))
            if attempt.fingerprint != question.fingerprint:
                raise IdempotencyKeyReused.on("Idempotency-Key", "was used with another request")
            if attempt.is_ours:
                return attempt, None
            if attempt.sealed_answer is not None:
                return attempt, self.seal.open(question.name, attempt.sealed_answer)
            if loop.time() >= until:
                raise Unavailable
            await asyncio.sleep(_LOOK_SECONDS)

    async def _release(self, question: Question) -> None:
        async with self.database.statements() as stores:
            await stores.attempts.release(question.name)
