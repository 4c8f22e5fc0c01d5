"""What happens in a session, for its client, and how its parts are brought into one order."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

from chassis.dataclass import dataclass

from voice_service.domain.answers import Citation, Words
from voice_service.domain.segmenter import SpeechBegan

_WAITING_MAX = 32


@dataclass(frozen=True, slots=True)
class Started:
    """The session has begun.

    Attributes:
        session_id: Identifies it.
        sample_rate: Samples per second of audio for the client; 0 where none is sent.
    """

    session_id: str
    sample_rate: int = 0


@dataclass(frozen=True, slots=True)
class Partial:
    """What has been understood of an utterance so far, with its place in the audio."""

    text: str
    begin_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Final:
    """All of an utterance, with its place in the audio.

    Attributes:
        took_ms: Time from the end of the utterance to this.
    """

    text: str
    begin_ms: int
    end_ms: int
    took_ms: int


@dataclass(frozen=True, slots=True)
class Audio:
    """A part of a spoken answer.

    Attributes:
        data: Samples.
        turn: The answer that it belongs to.
    """

    data: bytes
    turn: object


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer is complete. Times count from the end of the question, in ms; 0 for what never came."""

    transcript_ms: int
    first_token_ms: int
    first_audio_ms: int
    total_ms: int


@dataclass(frozen=True, slots=True)
class Cleared:
    """An answer was cut off.

    Attributes:
        spoken: The sentences that had been played whole.
        cut_off: The rest, as far as it was written.
        took_ms: Time from noticing speech to the end of generation and synthesis.
    """

    spoken: str
    cut_off: str
    took_ms: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The session has ended.

    Attributes:
        audio_ms: Length of the audio that came.
    """

    audio_ms: int


Event = Started | SpeechBegan | Partial | Final | Words | Citation | Audio | Answered | Cleared | Ended
Emit = Callable[["Event | Exception"], Awaitable[None]]
"""Takes the next event for the client, or what ends the session; waits while the client does not read."""


async def events_of(produce: Callable[[Emit], Awaitable[None]]) -> AsyncGenerator[Event, None]:
    """Yields what a session emits until it returns, from whatever tasks.

    Args:
        produce: The session; cancelled when the client leaves.

    Raises:
        Exception: what the session has raised or emitted.
    """
    waiting: asyncio.Queue[Event | Exception | None] = asyncio.Queue(_WAITING_MAX)

    async def run() -> None:
        try:
            await produce(waiting.put)
        except Exception as error:  # noqa: BLE001 raised again in the client's call
            await waiting.put(error)
        else:
            await waiting.put(None)

    running = asyncio.ensure_future(run())
    try:
        while (event := await waiting.get()) is not None:
            if isinstance(event, Exception):
                raise event
            yield event
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
