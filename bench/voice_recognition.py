"""How well and how fast recordings are understood, clean and with noise, and what each part of it costs."""

import asyncio
import statistics
import time
import wave
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from chassis.identity.caller import ANONYMOUS
from numpy.typing import NDArray
from voice_service.adapters.energy_detector import EnergyDetector
from voice_service.adapters.local_speech import EspeakSynthesizer, LocalTranscriber, SileroDetector
from voice_service.domain.audio import SAMPLE_RATE, size_bytes
from voice_service.domain.backends import SpeechDetector
from voice_service.domain.segmenter import WINDOW_BYTES
from voice_service.domain.session import Finish, Message, Session, Start
from voice_service.usecases.events import Final, Partial
from voice_service.usecases.ports import Ports
from voice_service.usecases.sessions import Sessions
from voice_service.usecases.transcription import Transcribe

from bench.voice_words import errors, words

NOISES: tuple[float | None, ...] = (None, 20.0, 10.0)
"""Loudness of speech over noise in dB; None for no noise."""

FRAME_BYTES = size_bytes(100)
FRAME_SECONDS = 0.1
_BEFORE, _AFTER = np.zeros(SAMPLE_RATE // 2), np.zeros(SAMPLE_RATE)
_AUDIBLE = 0.03
"""Share of the loudest sample from which on a recording counts as speech: where it begins and ends."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A sentence, spoken.

    Attributes:
        voice: The voice.
        said: What is said.
        samples: Between -1 and 1.
    """

    voice: str
    said: list[str]
    samples: NDArray[np.float64]

    def session(self, noise_db: float | None, seed: int) -> tuple[bytes, float, float]:
        """Returns the audio of a session, and where speech begins and ends in it, in seconds.

        Args:
            noise_db: Loudness of the speech over pink noise, which is in its pauses too; None for no noise.
            seed: Of the noise.
        """
        audible = np.flatnonzero(np.abs(self.samples) > _AUDIBLE * np.abs(self.samples).max())
        begin, end = (len(_BEFORE) + audible[[0, -1]]) / SAMPLE_RATE
        audio = np.concatenate([_BEFORE, self.samples, _AFTER])
        if noise_db is not None:
            speech = self.samples[audible[0] : audible[-1]]
            noise = _pink_noise(len(audio), seed)
            audio += noise * np.sqrt(np.mean(speech**2) / np.mean(noise**2) / 10 ** (noise_db / 10))
        return (audio.clip(-1, 1) * 32767).astype(np.int16).tobytes(), float(begin), float(end)


@dataclass(slots=True)
class Figures:
    """What was measured on several recordings."""

    said: int = 0
    partial_errors: int = 0
    final_errors: int = 0
    first_partial_seconds: list[float] = field(default_factory=list)
    final_seconds: list[float] = field(default_factory=list)
    cpu_seconds: float = 0.0
    audio_seconds: float = 0.0


class NoAudit:
    """`AuditTrail` of a benchmark."""

    def record(self, session: Session) -> None:
        """Keeps nothing."""


def recordings(folder: Path) -> list[Recording]:
    """Returns the recordings that `sentences.tsv` lists: the file, and what is said in it."""
    found = []
    for line in (folder / "sentences.tsv").read_text().splitlines():
        name, said = line.split("\t")
        with wave.open(str(folder / name)) as file:
            assert file.getframerate() == SAMPLE_RATE, name
            samples = np.frombuffer(file.readframes(file.getnframes()), np.int16) / 32768
        found.append(Recording(name.partition("-")[0], words(said), samples))
    return found


async def measure(every: list[Recording]) -> None:
    """Transcribes each recording, those without noise as fast as they are spoken, and prints a table."""
    transcriber = LocalTranscriber()
    ports = Ports(
        detector=SileroDetector,
        transcriber=transcriber,
        synthesizer=EspeakSynthesizer(),
        languages=("en",),
        voices=("en-us",),
        answers=None,
        sessions=Sessions(NoAudit()),
    )
    await _transcribe(ports, every[0], None, 0, Figures())  # loads the models
    print(
        "| voice, noise | words | errors, partial | errors, final | first partial | end to final | CPU s/s |"
    )
    print("|---|---|---|---|---|---|---|", flush=True)
    for noise_db in NOISES:
        found: dict[str, Figures] = defaultdict(Figures)
        for seed, recording in enumerate(every):
            await _transcribe(ports, recording, noise_db, seed, found[recording.voice])
        for voice, each in found.items():
            noise = "none" if noise_db is None else f"{noise_db:.0f} dB"
            cells = (
                f"{voice}, {noise}",
                f"{each.said}",
                f"{each.partial_errors / each.said:.1%}",
                f"{each.final_errors / each.said:.1%}",
                _spread(each.first_partial_seconds),
                _spread(each.final_seconds),
                f"{each.cpu_seconds / each.audio_seconds:.2f}",
            )
            print(f"| {' | '.join(cells)} |", flush=True)
    await _print_parts(transcriber, [each.session(None, 0)[0] for each in every])


async def _transcribe(
    ports: Ports, recording: Recording, noise_db: float | None, seed: int, figures: Figures
) -> None:
    audio, begin, end = recording.session(noise_db, seed)
    began = time.monotonic()

    async def messages() -> AsyncIterator[Message]:
        yield Start("en")
        for number, at in enumerate(range(0, len(audio), FRAME_BYTES), 1):
            if noise_db is None:
                # A frame is sent when its last sample has been spoken.
                await asyncio.sleep(max(0.0, began + number * FRAME_SECONDS - time.monotonic()))
            yield audio[at : at + FRAME_BYTES]
        yield Finish()

    partial, finals = "", list[str]()
    first_partial: float | None = None
    final: float | None = None
    cpu_before = time.process_time()
    async for event in Transcribe(ports)(messages(), ANONYMOUS):
        if isinstance(event, Partial):
            partial = event.text
            first_partial = first_partial or time.monotonic() - began - begin
        elif isinstance(event, Final):
            finals.append(event.text)
            final = time.monotonic() - began - end
    figures.cpu_seconds += time.process_time() - cpu_before
    figures.audio_seconds += len(audio) / size_bytes(1000)
    figures.said += len(recording.said)
    figures.partial_errors += errors(recording.said, words(partial))
    figures.final_errors += errors(recording.said, words(" ".join(finals)))
    if noise_db is None and first_partial is not None and final is not None:
        figures.first_partial_seconds.append(first_partial)
        figures.final_seconds.append(final)


async def _print_parts(transcriber: LocalTranscriber, sessions: list[bytes]) -> None:
    """Prints the CPU time of each part by itself, per second of audio."""
    seconds = sum(map(len, sessions)) / size_bytes(1000)

    def detect(detector: Callable[[], SpeechDetector]) -> float:
        before = time.process_time()
        for audio in sessions:
            one = detector()
            for at in range(0, len(audio) - WINDOW_BYTES + 1, WINDOW_BYTES):
                one.probability(audio[at : at + WINDOW_BYTES])
        return (time.process_time() - before) / seconds

    costs = {
        "detection by energy": detect(EnergyDetector),
        "detection by Silero": detect(SileroDetector),
        "partials by PocketSphinx": 0.0,
        "finals by Whisper": 0.0,
    }
    for audio in sessions:
        utterance = await transcriber.open("en")
        before = time.process_time()
        for at in range(0, len(audio), FRAME_BYTES):
            await utterance.add(audio[at : at + FRAME_BYTES])
        between = time.process_time()
        await utterance.finish()
        costs["partials by PocketSphinx"] += (between - before) / seconds
        costs["finals by Whisper"] += (time.process_time() - between) / seconds
        await utterance.close()
    for name, cost in costs.items():
        print(f"- {name}: {cost:.4f} CPU seconds per audio second")


def _pink_noise(length: int, seed: int) -> NDArray[np.float64]:
    """Returns noise whose power falls with its frequency, as that of rooms does."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(length))
    noise: NDArray[np.float64] = np.fft.irfft(spectrum / np.sqrt(np.arange(1, len(spectrum) + 1)), length)
    return noise


def _spread(seconds: list[float]) -> str:
    """Returns the median and the largest."""
    return f"{statistics.median(seconds):.2f} s, at most {max(seconds):.2f}" if seconds else ""
