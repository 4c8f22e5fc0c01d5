"""A transcriber in this process, for development and tests: fast, with partial results, often wrong."""

import asyncio

from chassis.errors import Invalid
from pocketsphinx import Decoder

from voice_service.domain.audio import SAMPLE_RATE

_IDLE_MAX = 4


class PocketsphinxTranscriber:
    """`Transcriber`, for English alone. Loading a model takes 0.3 s, so idle ones are used again."""

    def __init__(self) -> None:
        self._idle: list[Decoder] = []

    async def open(self, language: str) -> "PocketsphinxUtterance":
        """Begins an utterance.

        Raises:
            Invalid: another language than English.
        """
        if language.partition("-")[0] != "en":
            raise Invalid.on("start.language", "must be English here")
        decoder = self._idle.pop() if self._idle else await asyncio.to_thread(_load)
        return PocketsphinxUtterance(decoder, self._idle)


class PocketsphinxUtterance:
    """`Utterance`."""

    def __init__(self, decoder: Decoder, idle: list[Decoder]) -> None:
        self.partial = ""
        self._decoder = decoder
        self._idle = idle
        self._is_open = True
        decoder.start_utt()

    async def add(self, audio: bytes) -> None:
        """Takes in the next samples."""
        self.partial = await asyncio.to_thread(self._decode, audio)

    async def finish(self) -> str:
        """Returns the text."""
        await asyncio.to_thread(self._end)
        return _words(self._decoder)

    async def close(self) -> None:
        """Gives the model back."""
        await asyncio.to_thread(self._end)
        if len(self._idle) < _IDLE_MAX and self._decoder not in self._idle:
            self._idle.append(self._decoder)

    def _decode(self, audio: bytes) -> str:
        self._decoder.process_raw(audio, no_search=False, full_utt=False)
        return _words(self._decoder)

    def _end(self) -> None:
        if self._is_open:
            self._is_open = False
            self._decoder.end_utt()


def _load() -> Decoder:
    return Decoder(samprate=SAMPLE_RATE, loglevel="FATAL")


def _words(decoder: Decoder) -> str:
    found = decoder.hyp()
    return "" if found is None else str(found.hypstr)
