"""One answer: written, and spoken sentence by sentence while it is written."""

import asyncio
from contextlib import aclosing, suppress
from time import monotonic

from voice_service.domain.answers import Answers, Words
from voice_service.domain.audio import milliseconds, size_bytes
from voice_service.domain.sentences import Sentences, spoken
from voice_service.usecases.events import Answered, Audio, Cleared, Emit, Final
from voice_service.usecases.ports import Ports
from voice_service.usecases.speech import speech

_QUESTION_LENGTH_MAX = 1000
_UNSPOKEN_MAX = 8
"""Sentences that wait to be spoken; then writing waits."""

_AHEAD_MS = 500
"""How much audio the client gets before it is due: enough not to stutter, and little to throw away."""

_PART_MS = 100


class Turn:
    """The answer to one question.

    Audio is sent as fast as it is played, so that what the user has listened to is known when the answer is
    cut off, until the client has finished.
    """

    def __init__(self, question: Final, answers: Answers, ports: Ports, emit: Emit) -> None:
        self._question = question
        self._answers = answers
        self._synthesizer = ports.synthesizer
        self._voice = ports.voices[0]
        self._emit = emit
        self._asked_at = monotonic() - question.took_ms / 1000
        self._sentences: asyncio.Queue[str | None] = asyncio.Queue(_UNSPOKEN_MAX)
        self._written = ""
        self._ends: list[tuple[int, float]] = []
        self._plays_until = 0.0
        self._is_unpaced = asyncio.Event()
        self._first_token_ms = 0
        self._first_audio_ms = 0

    @property
    def is_playing(self) -> bool:
        """Whether the client still plays audio that it was sent."""
        return monotonic() < self._plays_until

    def stop_pacing(self) -> None:
        """Sends the rest as fast as it is made: the client has finished, and nothing can cut it off."""
        self._is_unpaced.set()

    async def run(self) -> None:
        """Writes and speaks the answer.

        Raises:
            ServiceError: knowledge-service or the synthesizer has failed.
        """
        writing, speaking = asyncio.ensure_future(self._write()), asyncio.ensure_future(self._speak())
        try:
            await asyncio.gather(writing, speaking)
        finally:
            writing.cancel()
            speaking.cancel()
            await asyncio.gather(writing, speaking, return_exceptions=True)
        await self._emit(
            Answered(
                transcript_ms=self._question.took_ms,
                first_token_ms=self._first_token_ms,
                first_audio_ms=self._first_audio_ms,
                total_ms=self._since_asked_ms(),
            )
        )

    def cleared(self, took_ms: int) -> Cleared:
        """Returns what was spoken until now, and what was not."""
        now = monotonic()
        length = max((length for length, ends_at in self._ends if ends_at <= now), default=0)
        return Cleared(self._written[:length].strip(), self._written[length:].strip(), took_ms)

    async def _write(self) -> None:
        sentences = Sentences()
        async with aclosing(self._answers.answer(self._question.text[:_QUESTION_LENGTH_MAX])) as parts:
            async for part in parts:
                if isinstance(part, Words):
                    self._first_token_ms = self._first_token_ms or self._since_asked_ms()
                    self._written += part.text
                await self._emit(part)
                for sentence in sentences.add(part.text) if isinstance(part, Words) else ():
                    await self._sentences.put(sentence)
        for sentence in sentences.rest():
            await self._sentences.put(sentence)
        await self._sentences.put(None)

    async def _speak(self) -> None:
        length = 0
        while (sentence := await self._sentences.get()) is not None:
            length += len(sentence)
            if text := spoken(sentence):
                async with aclosing(speech(self._synthesizer, text, self._voice)) as parts:
                    async for audio in parts:
                        await self._send(audio)
            self._ends.append((length, self._plays_until))

    async def _send(self, audio: bytes) -> None:
        """Sends audio when it is nearly due."""
        rate = self._synthesizer.sample_rate
        part_bytes = size_bytes(_PART_MS, rate)
        for offset in range(0, len(audio), part_bytes):
            part = audio[offset : offset + part_bytes]
            now = monotonic()
            self._plays_until = max(self._plays_until, now)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._plays_until - now - _AHEAD_MS / 1000):
                    await self._is_unpaced.wait()
            await self._emit(Audio(part, self))
            self._first_audio_ms = self._first_audio_ms or self._since_asked_ms()
            self._plays_until += milliseconds(len(part), rate) / 1000

    def _since_asked_ms(self) -> int:
        return round((monotonic() - self._asked_at) * 1000)
