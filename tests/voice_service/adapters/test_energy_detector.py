"""The detector without a model."""

import array
import math
import random

import pytest
from voice_service.adapters.energy_detector import EnergyDetector
from voice_service.domain.backends import WINDOW_SAMPLES
from voice_service.domain.segmenter import WINDOW_BYTES, Segmenter, SpeechBegan, SpeechEnded

from tests.voice_service.speech import SILENCE, recording


def noise(loudness: int, windows: int) -> bytes:
    """Returns steady noise."""
    source = random.Random(7)
    samples = (source.randint(-loudness, loudness) for _ in range(windows * WINDOW_SAMPLES))
    return array.array("h", samples).tobytes()


def mixed(one: bytes, other: bytes) -> bytes:
    """Returns the sum of two sounds, as long as the first."""
    pairs = zip(array.array("h", one), array.array("h", other), strict=False)
    return array.array("h", [max(-32768, min(32767, sum(pair))) for pair in pairs]).tobytes()


def utterances(audio: bytes) -> list[tuple[int, int]]:
    """Returns where speech begins and ends."""
    segmenter = Segmenter(EnergyDetector())
    found = [*segmenter.add(audio), *segmenter.finish()]
    begins = [each.begin_ms for each in found if isinstance(each, SpeechBegan)]
    return list(zip(begins, [each.end_ms for each in found if isinstance(each, SpeechEnded)], strict=True))


@pytest.mark.parametrize("loudness", [0, 1, 40, 300, 3000])
def test_silence_and_steady_noise_are_no_speech(loudness: int) -> None:
    """Loud noise too, after the two seconds in which it could be speech."""
    assert utterances(SILENCE + noise(loudness, 400))[1:] == []
    assert utterances(noise(min(loudness, 40), 400)) == []


def test_a_constant_is_no_sound() -> None:
    """Cheap sound cards add one."""
    assert utterances(array.array("h", [900] * WINDOW_SAMPLES).tobytes() * 200) == []


@pytest.mark.parametrize("loudness", [0, 100])
def test_speech_is_found(loudness: int) -> None:
    """In silence and in noise."""
    audio = SILENCE * 2 + recording(2) + SILENCE * 2
    ((begin, end),) = utterances(mixed(audio, noise(loudness, len(audio) // WINDOW_BYTES + 1)))

    assert 1500 < begin < 2400
    assert 6000 < end < 6800


def test_a_probability_is_one() -> None:
    """For every window, the loudest and the strangest too."""
    detector = EnergyDetector()
    loudest = array.array("h", [-32768, 32767] * (WINDOW_SAMPLES // 2)).tobytes()
    for window in (bytes(WINDOW_BYTES), loudest, b"\x00\x80" * WINDOW_SAMPLES, loudest):
        assert 0.0 <= detector.probability(window) <= 1.0
        assert not math.isnan(detector.probability(window))
