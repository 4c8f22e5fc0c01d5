"""Conversing: each utterance is a question, whose answer is written, spoken, and cut off by the next one."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from time import monotonic

from chassis.component import Component
from chassis.identity.caller import Caller

from voice_service.domain.answers import Answers
from voice_service.domain.segmenter import SpeechBegan
from voice_service.domain.session import Action, Message, Session
from voice_service.usecases.events import Audio, Emit, Ended, Event, Final, events_of
from voice_service.usecases.listening import listen
from voice_service.usecases.ports import Ports
from voice_service.usecases.sessions import NotBegun
from voice_service.usecases.turn import Turn


class AnswersOff(NotBegun):
    """Conversations are answered by knowledge-service, which is off here."""

    message = "Conversations need knowledge-service, which is not on."


class Converse(Component):
    """Answers the spoken questions of one session."""

    ports: Ports

    async def __call__(self, messages: AsyncIterator[Message], caller: Caller) -> AsyncGenerator[Event, None]:
        """Yields the events of the session; the audio of an answer that was cut off is left out.

        Raises:
            AnswersOff: knowledge-service is off.
            SessionsFull: there are too many sessions.
            Invalid: a message is wrong, or comes in the wrong order.
            Unavailable: the transcriber, the synthesizer or knowledge-service has failed.
        """
        if self.ports.answers is None:
            raise AnswersOff
        with self.ports.sessions.session(Action.CONVERSE, caller) as session:
            conversation = _Conversation(self.ports, self.ports.answers, session)
            async with aclosing(events_of(lambda emit: conversation.run(messages, emit))) as events:
                async for event in events:
                    if not (isinstance(event, Audio) and conversation.is_cut_off(event)):
                        yield event


class _Conversation:
    """One session: at most one answer is under way."""

    def __init__(self, ports: Ports, answers: Answers, session: Session) -> None:
        self._ports = ports
        self._answers = answers
        self._session = session
        self._turn: Turn | None = None
        self._answering: asyncio.Task[None] | None = None

    def is_cut_off(self, audio: Audio) -> bool:
        """Whether audio belongs to an answer that was cut off."""
        return audio.turn is not self._turn

    async def run(self, messages: AsyncIterator[Message], emit: Emit) -> None:
        """Takes in what the client sends, until it finishes and the last question is answered."""
        self._session.amounts["questions"] = 0

        async def on_speech(event: Event | Exception) -> None:
            if isinstance(event, SpeechBegan):
                await self._cut_off(emit)
            await emit(event)
            if isinstance(event, Final):
                await self._cut_off(emit)
                self._answer(event, emit)

        try:
            await listen(
                messages,
                self._session,
                self._ports,
                emit,
                on_speech,
                sample_rate=self._ports.synthesizer.sample_rate,
            )
            if self._answering is not None and self._turn is not None:
                self._turn.stop_pacing()
                await self._answering
            await emit(Ended(self._session.amounts["audio_ms"]))
        finally:
            if self._answering is not None:
                self._answering.cancel()
                await asyncio.gather(self._answering, return_exceptions=True)

    def _answer(self, question: Final, emit: Emit) -> None:
        self._session.amounts["questions"] += 1
        self._turn = turn = Turn(question, self._answers, self._ports, emit)

        async def answer() -> None:
            try:
                await turn.run()
            except Exception as error:  # noqa: BLE001 raised again in the client's call
                await emit(error)

        self._answering = asyncio.ensure_future(answer())

    async def _cut_off(self, emit: Emit) -> None:
        """Ends the answer that is under way or being played, if there is one."""
        answering, turn = self._answering, self._turn
        self._answering = self._turn = None
        if answering is None or turn is None:
            return
        noticed_at = monotonic()
        has_ended = answering.done()
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)
        if not has_ended or turn.is_playing:
            await emit(turn.cleared(round((monotonic() - noticed_at) * 1000)))
