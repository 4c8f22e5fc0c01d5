"""Transcribing: a client's messages in, events out."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from time import monotonic

from chassis.errors import Invalid
from chassis.identity.caller import Caller

from voice_service.domain.audio import check, milliseconds
from voice_service.domain.session import Action, Finish, Message, Pace, Session, Start
from voice_service.usecases.events import Emit, Ended, Event, Started, events_of
from voice_service.usecases.listening import Listening
from voice_service.usecases.ports import Ports


@dataclass(frozen=True, slots=True)
class Transcribe:
    """Transcribes the speech of one session."""

    ports: Ports

    async def __call__(self, messages: AsyncIterator[Message], caller: Caller) -> AsyncGenerator[Event, None]:
        """Yields the events of the session.

        Raises:
            SessionsFull: there are too many sessions.
            Invalid: a message is wrong, or comes in the wrong order.
            BackendFailed: the transcriber has failed.
        """

        async def produce(emit: Emit) -> None:
            await listen(messages, session, self.ports, emit, emit)
            await emit(Ended(session.amounts["audio_ms"]))

        with self.ports.sessions.session(Action.TRANSCRIBE, caller) as session:
            async with aclosing(events_of(produce)) as events:
                async for event in events:
                    yield event


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
