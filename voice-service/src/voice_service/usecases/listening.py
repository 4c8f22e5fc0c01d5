"""Listening: finds utterances in audio and has each recognized. Silence and noise reach no recognizer."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from time import monotonic

from chassis.errors import Invalid

from voice_service.domain.audio import check, milliseconds
from voice_service.domain.backends import SpeechDetector, Transcriber
from voice_service.domain.segmenter import Segment, Segmenter, SpeechBegan, SpeechEnded, SpeechWent
from voice_service.domain.session import Finish, Message, Pace, Session, Start
from voice_service.usecases.events import Emit, Final, Partial, Started
from voice_service.usecases.ports import Ports
from voice_service.usecases.recognition import Recognition

_UNFINISHED_MAX = 2
"""Utterances whose text is awaited at once; then no further audio is taken in."""


class Listening:
    """The audio of one session. While an utterance's text is awaited the next is spoken; texts keep order."""

    def __init__(self, detector: SpeechDetector, transcriber: Transcriber, language: str, emit: Emit) -> None:
        self._segmenter = Segmenter(detector)
        self._transcriber = transcriber
        self._language = language
        self._emit = emit
        self._current: Recognition | None = None
        self._begin_ms = 0
        self._partial = ""
        self._new = bytearray()
        self._unfinished: deque[asyncio.Task[None]] = deque()

    @property
    def received_ms(self) -> int:
        """How much audio was taken in."""
        return milliseconds(self._segmenter.received_bytes)

    async def add(self, audio: bytes) -> None:
        """Takes in the next samples.

        Raises:
            BackendFailed: the backend has failed.
        """
        for segment in self._segmenter.add(audio):
            await self._take(segment)
        await self._recognize_new()
        if self._current is not None and (text := self._current.partial) not in ("", self._partial):
            self._partial = text
            await self._emit(Partial(text, self._begin_ms, self._segmenter.read_ms))

    async def finish(self) -> None:
        """Ends the audio; returns when every utterance is final.

        Raises:
            BackendFailed: the backend has failed.
        """
        for segment in self._segmenter.finish():
            await self._take(segment)
        await asyncio.gather(*self._unfinished)

    async def close(self) -> None:
        """Drops what is not final yet."""
        for task in self._unfinished:
            task.cancel()
        await asyncio.gather(*self._unfinished, return_exceptions=True)
        if self._current is not None:
            await self._current.close()

    async def _take(self, segment: Segment) -> None:
        match segment:
            case SpeechBegan():
                self._begin_ms, self._partial = segment.begin_ms, ""
                self._current = Recognition(self._transcriber, self._language)
                await self._emit(segment)
            case SpeechWent():
                self._new += segment.audio
            case SpeechEnded():
                await self._recognize_new()
                await self._await_text(segment)

    async def _recognize_new(self) -> None:
        if self._current is not None and self._new:
            audio = bytes(self._new)
            self._new.clear()
            await self._current.add(audio)

    async def _await_text(self, ended: SpeechEnded) -> None:
        recognition, self._current = self._current, None
        assert recognition is not None  # noqa: S101 - an utterance that ends has begun
        before = self._unfinished[-1] if self._unfinished else None
        self._unfinished.append(asyncio.ensure_future(self._finish(recognition, ended, before)))
        while self._unfinished and (len(self._unfinished) > _UNFINISHED_MAX or self._unfinished[0].done()):
            await self._unfinished.popleft()

    async def _finish(
        self, recognition: Recognition, ended: SpeechEnded, before: "asyncio.Task[None] | None"
    ) -> None:
        """Emits the text of an utterance, if there is any, after those of the utterances before it."""
        ended_at = monotonic()
        try:
            text = (await recognition.finish()).strip()
        except Exception as error:  # noqa: BLE001 raised again in the client's call
            # The client may send nothing more, and is to learn it all the same.
            await self._emit(error)
            return
        finally:
            await recognition.close()
        if before is not None:
            await asyncio.wait((before,))
        if text:
            took_ms = round((monotonic() - ended_at) * 1000)
            await self._emit(Final(text, ended.begin_ms, ended.end_ms, took_ms))


async def listen(
    messages: AsyncIterator[Message],
    session: Session,
    ports: Ports,
    emit: Emit,
    emit_speech: Emit,
    *,
    sample_rate: int = 0,
) -> None:
    """Takes in a client's messages until it finishes or ends its stream; then every utterance is final.

    Args:
        messages: What the client sends.
        session: Its session, which gets the length of the audio.
        ports: The ports of the service.
        emit: Takes the event that the session has begun.
        emit_speech: Takes the events of its utterances.
        sample_rate: Of the audio that the client will get.

    Raises:
        Invalid: a message is wrong, or comes in the wrong order.
        BackendFailed: the transcriber has failed.
    """
    pace = Pace(monotonic())
    listening: Listening | None = None
    session.amounts["audio_ms"] = 0
    try:
        async for message in messages:
            if isinstance(message, Start):
                if listening is not None:
                    raise Invalid.on("start", "must be sent once")
                if not {message.language, message.language.partition("-")[0]} & {*ports.languages}:
                    raise Invalid.on("start.language", f"must be one of {', '.join(ports.languages)}")
                listening = Listening(ports.detector(), ports.transcriber, message.language, emit_speech)
                await emit(Started(str(session.id), sample_rate))
                continue
            if listening is None:
                raise Invalid.on("start", "must be the first message")
            if isinstance(message, Finish):
                break
            check(message)
            await listening.add(message)
            session.amounts["audio_ms"] = listening.received_ms
            await asyncio.sleep(pace.seconds_to_wait(milliseconds(len(message)), monotonic()))
        if listening is None:
            raise Invalid.on("start", "must be the first message")
        await listening.finish()
    finally:
        if listening is not None:
            await listening.close()
