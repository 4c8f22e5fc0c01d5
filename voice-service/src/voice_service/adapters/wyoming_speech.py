"""Speech by servers of the Wyoming protocol over TCP, which has no encryption: for the same cluster."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

from chassis.dataclass import dataclass
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event, async_read_event, async_write_event
from wyoming.tts import Synthesize, SynthesizeVoice

from voice_service.adapters.backend_calls import (
    CONNECT_SECONDS,
    RESULT_SECONDS,
    SEND_SECONDS,
    SYNTHESIZER,
    TRANSCRIBER,
    backend_call,
    text_of,
)
from voice_service.domain.audio import SAMPLE_BYTES, SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class WyomingAddress:
    """Where a server is."""

    host: str
    port: int

    async def connect(self, backend: str) -> "WyomingConnection":
        """Returns a connection to a backend of that name in metrics and logs.

        Raises:
            BackendUnreachable: the server cannot be reached.
        """
        async with backend_call(backend, CONNECT_SECONDS, connecting=True):
            return WyomingConnection(backend, *await asyncio.open_connection(self.host, self.port))


class WyomingConnection:
    """A connection whose every step is bounded in time; sending and closing by the library are not."""

    def __init__(self, backend: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._backend = backend
        self._reader = reader
        self._writer = writer

    async def send(self, event: Event) -> None:
        """Sends an event.

        Raises:
            BackendFailed: the connection is lost, or the server does not read.
        """
        async with backend_call(self._backend, SEND_SECONDS):
            if self._writer.is_closing():
                # uvloop would raise a RuntimeError.
                raise ConnectionResetError("the server closed the connection")
            await async_write_event(event, self._writer)

    async def receive(self, *types: str) -> Event:
        """Returns the next event of one of these types; skips others.

        Raises:
            BackendFailed: the connection is lost, the server reports an error, or nothing came in time.
        """
        async with backend_call(self._backend, RESULT_SECONDS):
            while True:
                event = await async_read_event(self._reader)
                if event is None:
                    # It is None too for a line that is not JSON; another attempt does no harm then.
                    raise ConnectionError("the server closed the connection, or sent no event")
                if Error.is_type(event.type):
                    # Its text is not repeated: it may quote what was said.
                    raise ValueError("the server reported an error")
                if event.type in types:
                    return event

    async def close(self) -> None:
        """Closes the connection without waiting for what the server has not read."""
        self._writer.transport.abort()
        with suppress(OSError):
            await self._writer.wait_closed()


class WyomingTranscriber:
    """`Transcriber`: one connection per utterance."""

    def __init__(self, address: WyomingAddress, model: str | None) -> None:
        self._address = address
        self._model = model

    async def open(self, language: str) -> "WyomingUtterance":
        """Begins an utterance.

        Raises:
            BackendFailed: the server cannot be reached.
        """
        connection = await self._address.connect(TRANSCRIBER)
        asked = Transcribe(name=self._model, language=language.partition("-")[0])
        try:
            await connection.send(asked.event())
            await connection.send(AudioStart(rate=SAMPLE_RATE, width=SAMPLE_BYTES, channels=1).event())
        except BaseException:
            await connection.close()
            raise
        return WyomingUtterance(connection)


class WyomingUtterance:
    """`Utterance`, without partial results."""

    def __init__(self, connection: WyomingConnection) -> None:
        self.partial = ""
        self._connection = connection

    async def add(self, audio: bytes) -> None:
        """Sends the next samples.

        Raises:
            BackendFailed: the connection is lost.
        """
        chunk = AudioChunk(rate=SAMPLE_RATE, width=SAMPLE_BYTES, channels=1, audio=audio)
        await self._connection.send(chunk.event())

    async def finish(self) -> str:
        """Returns the text.

        Raises:
            BackendFailed: the connection is lost, or no text came in time.
        """
        await self._connection.send(AudioStop().event())
        event = await self._connection.receive("transcript")
        async with backend_call(TRANSCRIBER):
            return text_of(Transcript.from_event(event).text)

    async def close(self) -> None:
        """Closes the connection."""
        await self._connection.close()


class WyomingSynthesizer:
    """`Synthesizer`: one connection per sentence."""

    def __init__(self, address: WyomingAddress, sample_rate: int) -> None:
        self._address = address
        self.sample_rate = sample_rate

    async def speak(self, text: str, voice: str) -> AsyncGenerator[bytes, None]:
        """Yields the audio while it is made.

        Raises:
            BackendFailed: the connection is lost, or the server makes audio of another form than configured.
        """
        connection = await self._address.connect(SYNTHESIZER)
        try:
            await connection.send(Synthesize(text=text, voice=SynthesizeVoice(name=voice)).event())
            while AudioChunk.is_type((event := await connection.receive("audio-chunk", "audio-stop")).type):
                async with backend_call(SYNTHESIZER):
                    chunk = AudioChunk.from_event(event)
                    form = (chunk.rate, chunk.width, chunk.channels)
                    if form != (self.sample_rate, SAMPLE_BYTES, 1):
                        raise ValueError(f"audio of another form than configured: {form}")
                yield chunk.audio
        finally:
            await connection.close()
