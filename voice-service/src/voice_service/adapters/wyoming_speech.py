"""Speech by servers of the Wyoming protocol over TCP, which has no encryption: for the same cluster."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.event import Event
from wyoming.tts import Synthesize, SynthesizeVoice

from voice_service.domain.audio import SAMPLE_BYTES, SAMPLE_RATE
from voice_service.domain.speech import BackendLost

_CONNECT_SECONDS = 5.0
_READ_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class WyomingAddress:
    """Where a server is."""

    host: str
    port: int

    async def connect(self) -> AsyncTcpClient:
        """Returns a connection.

        Raises:
            BackendLost: there is none to be had.
        """
        client = AsyncTcpClient(
            self.host, self.port, connect_timeout=_CONNECT_SECONDS, read_timeout=_READ_SECONDS
        )
        with _failures():
            await client.connect()
        return client


class WyomingTranscriber:
    """`Transcriber`: one connection per utterance."""

    def __init__(self, address: WyomingAddress, model: str | None) -> None:
        self._address = address
        self._model = model

    async def open(self, language: str) -> "WyomingUtterance":
        """Begins an utterance.

        Raises:
            BackendLost: the server cannot be reached.
        """
        client = await self._address.connect()
        utterance = WyomingUtterance(client)
        asked = Transcribe(name=self._model, language=language.partition("-")[0])
        await utterance.send(asked.event())
        await utterance.send(AudioStart(rate=SAMPLE_RATE, width=SAMPLE_BYTES, channels=1).event())
        return utterance


class WyomingUtterance:
    """`Utterance`, without partial results."""

    def __init__(self, client: AsyncTcpClient) -> None:
        self.partial = ""
        self._client = client

    async def add(self, audio: bytes) -> None:
        """Sends the next samples.

        Raises:
            BackendLost: the connection is lost.
        """
        await self.send(AudioChunk(rate=SAMPLE_RATE, width=SAMPLE_BYTES, channels=1, audio=audio).event())

    async def finish(self) -> str:
        """Returns the text.

        Raises:
            BackendLost: the connection is lost, or nothing came in time.
        """
        await self.send(AudioStop().event())
        async for event in _events(self._client):
            if Transcript.is_type(event.type):
                with _failures():
                    return str(Transcript.from_event(event).text)
        raise BackendLost

    async def close(self) -> None:
        """Closes the connection."""
        await _disconnect(self._client)

    async def send(self, event: Event) -> None:
        """Sends an event.

        Raises:
            BackendLost: the connection is lost.
        """
        with _failures():
            await self._client.write_event(event)


class WyomingSynthesizer:
    """`Synthesizer`: one connection per sentence."""

    def __init__(self, address: WyomingAddress, voices: tuple[str, ...], sample_rate: int) -> None:
        self._address = address
        self.voices = voices
        self.sample_rate = sample_rate

    async def speak(self, text: str, voice: str) -> AsyncGenerator[bytes, None]:
        """Yields the audio while it is made.

        Raises:
            BackendLost: the connection is lost, or the server makes audio of another form than configured.
        """
        client = await self._address.connect()
        try:
            with _failures():
                await client.write_event(Synthesize(text=text, voice=SynthesizeVoice(name=voice)).event())
            async for event in _events(client):
                if AudioChunk.is_type(event.type):
                    with _failures():
                        chunk = AudioChunk.from_event(event)
                    if (chunk.rate, chunk.width, chunk.channels) != (self.sample_rate, SAMPLE_BYTES, 1):
                        raise BackendLost
                    yield chunk.audio
                elif AudioStop.is_type(event.type):
                    return
            raise BackendLost
        finally:
            await _disconnect(client)


async def _events(client: AsyncTcpClient) -> AsyncGenerator[Event, None]:
    """Yields what the server sends, until it closes the connection or reports an error."""
    while True:
        with _failures():
            event = await client.read_event()
        if event is None or event.type == "error":
            return
        yield event


async def _disconnect(client: AsyncTcpClient) -> None:
    with suppress(OSError):
        await client.disconnect()


@contextmanager
def _failures() -> Iterator[None]:
    """Turns what can go wrong with a connection, or with what came over it, into `BackendLost`."""
    try:
        yield
    except (OSError, EOFError, TimeoutError, ValueError, KeyError, TypeError, AssertionError) as error:
        raise BackendLost from error
