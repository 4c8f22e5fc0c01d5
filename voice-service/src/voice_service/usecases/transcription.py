"""Transcribing: a client's messages in, events out."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from chassis.component import Component
from chassis.identity.caller import Caller

from voice_service.domain.session import Action, Message
from voice_service.usecases.events import Emit, Ended, Event, events_of
from voice_service.usecases.listening import listen
from voice_service.usecases.ports import Ports


class Transcribe(Component):
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
