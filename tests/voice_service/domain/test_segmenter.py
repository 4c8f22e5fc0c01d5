"""Where utterances begin and end, by the probability of speech."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from voice_service.adapters.energy_detector import EnergyDetector
from voice_service.domain.audio import size_bytes
from voice_service.domain.segmenter import (
    WINDOW_BYTES,
    Segment,
    Segmenter,
    SpeechBegan,
    SpeechEnded,
    SpeechWent,
)

WINDOW_MS = 32
LOUD, QUIET = b"\x01" * WINDOW_BYTES, bytes(WINDOW_BYTES)


class LoudIsSpeech:
    """`SpeechDetector` that takes every sound for speech."""

    def probability(self, window: bytes) -> float:
        return float(any(window))


def segments(*parts: bytes) -> list[Segment]:
    """Returns what audio brings, and its end."""
    segmenter = Segmenter(LoudIsSpeech())
    return [each for part in parts for each in segmenter.add(part)] + list(segmenter.finish())


def audio_of(found: list[Segment]) -> bytes:
    """Returns all audio of utterances."""
    return b"".join(each.audio for each in found if isinstance(each, SpeechWent))


@pytest.mark.parametrize("size", [2, 640, 3200, 10**6])
def test_an_utterance_is_found(size: int) -> None:
    """With 0.3 s before it and 0.6 s after it, however the audio is cut."""
    audio = QUIET * 20 + LOUD * 30 + QUIET * 40
    found = segments(*(audio[at : at + size] for at in range(0, len(audio), size)))

    began, *middle, ended = found
    assert isinstance(began, SpeechBegan)
    assert isinstance(ended, SpeechEnded)
    assert all(isinstance(each, SpeechWent) for each in middle)
    assert (began.begin_ms, ended.begin_ms, ended.end_ms) == (11 * WINDOW_MS, 11 * WINDOW_MS, 50 * WINDOW_MS)
    assert audio_of(found) == QUIET * 9 + LOUD * 30 + QUIET * 19


def test_a_click_is_no_utterance() -> None:
    """Fewer than three windows in a row."""
    assert segments((LOUD * 2 + QUIET) * 100) == []


def test_a_pause_within_a_sentence_is_part_of_it() -> None:
    found = segments(LOUD * 10 + QUIET * 18 + LOUD * 10 + QUIET * 19)

    assert sum(isinstance(each, SpeechEnded) for each in found) == 1
    assert audio_of(found) == LOUD * 10 + QUIET * 18 + LOUD * 10 + QUIET * 19


def test_speech_without_a_pause_is_cut() -> None:
    """At 28 s, since models take 30 s; no sample of it is lost."""
    audio = LOUD * (60_000 // WINDOW_MS)
    found = segments(audio)

    ends = [each for each in found if isinstance(each, SpeechEnded)]
    assert [each.end_ms - each.begin_ms <= 28_032 for each in ends] == [True] * 3
    assert audio_of(found) == audio


def test_an_utterance_ends_with_the_audio() -> None:
    """The rest, which is less than a window, belongs to it."""
    found = segments(LOUD * 10 + b"\x02\x00")

    assert audio_of(found) == LOUD * 10 + b"\x02\x00"
    assert found[-1] == SpeechEnded(0, 10 * WINDOW_MS)


@pytest.mark.nightly
def test_three_hours_of_silence_bring_nothing() -> None:
    """No segment, and no memory: a window kept as one number would be 10 MB."""
    segmenter, frame = Segmenter(EnergyDetector()), bytes(size_bytes(1000))

    def silence(seconds: int) -> Iterator[Segment]:
        for _ in range(seconds):
            yield from segmenter.add(frame)

    assert list(silence(60)) == []
    before = resident_bytes()
    assert list(silence(3 * 3600 - 60)) == []
    assert resident_bytes() - before < 4_000_000
    assert segmenter.received_bytes == size_bytes(3 * 3600 * 1000)


def resident_bytes() -> int:
    """Returns the memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
