"""A speech detector without a model: sound that is much louder than the noise before it.

Backends have models of their own; this one keeps silence and steady noise from them. It takes sudden other
sounds for speech, so a backend behind it should find no words in those.
"""

import array
import math
from collections import deque
from operator import mul

_NOISE_WINDOWS = 60
_SPEECH_ABOVE_NOISE_DB = 9.0
_LOUDNESS_MIN_DB = -52.0
"""Of full scale: quieter speech is not understood anyhow."""
_FIRST_NOISE_DB = -60.0
_SHARE = 0.2
_SLOPE_DB = 3.0
_FULL_SCALE = 32768.0


class EnergyDetector:
    """`SpeechDetector`: the noise is what the quietest fifth of the last two seconds was like."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque([_FIRST_NOISE_DB] * (_NOISE_WINDOWS // 3), maxlen=_NOISE_WINDOWS)

    def probability(self, window: bytes) -> float:
        """Returns how likely the next window is speech."""
        loudness = _loudness_db(window)
        noise = sorted(self._recent)[int(len(self._recent) * _SHARE)]
        self._recent.append(loudness)
        above = loudness - max(noise + _SPEECH_ABOVE_NOISE_DB, _LOUDNESS_MIN_DB)
        return 1.0 / (1.0 + math.exp(-above / _SLOPE_DB))


def _loudness_db(window: bytes) -> float:
    samples = array.array("h", window)
    mean = sum(samples) / len(samples)
    power = sum(map(mul, samples, samples)) / len(samples) - mean * mean
    return 10 * math.log10(max(power, 1.0) / _FULL_SCALE**2)
