"""Cuts audio into utterances by the probability of speech; no I/O, no clock, bounded memory.

Speech begins after three windows in a row that are likely to be speech, and ends after 0.6 s without. An
utterance carries the 0.3 s before it, since quiet consonants come before the detector is sure, and is cut at
28 s, since models take no more than 30 s.
"""

from collections import deque
from collections.abc import Iterator

from chassis.dataclass import dataclass

from voice_service.domain.audio import SAMPLE_BYTES, Blocks, milliseconds
from voice_service.domain.backends import WINDOW_SAMPLES, SpeechDetector

WINDOW_BYTES = WINDOW_SAMPLES * SAMPLE_BYTES
_BEGINS_ABOVE = 0.5
_ENDS_BELOW = 0.35
_WINDOWS_TO_BEGIN = 3
_WINDOWS_TO_END = 19
_WINDOWS_BEFORE = 9
_UTTERANCE_MS_MAX = 28_000


@dataclass(frozen=True, slots=True)
class SpeechBegan:
    """An utterance begins.

    Attributes:
        begin_ms: Where, from the beginning of the audio.
    """

    begin_ms: int


@dataclass(frozen=True, slots=True)
class SpeechWent:
    """An utterance goes on.

    Attributes:
        audio: Its next samples; the first ones with those shortly before it.
    """

    audio: bytes


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """An utterance has ended.

    Attributes:
        begin_ms: Where it began.
        end_ms: Where it ended.
    """

    begin_ms: int
    end_ms: int


Segment = SpeechBegan | SpeechWent | SpeechEnded


class Segmenter:
    """Finds the utterances of one session.

    Attributes:
        received_bytes: Audio taken in.
    """

    def __init__(self, detector: SpeechDetector) -> None:
        self._detector = detector
        self._windows = Blocks(WINDOW_BYTES)
        self._before: deque[bytes] = deque(maxlen=_WINDOWS_BEFORE + _WINDOWS_TO_BEGIN)
        self._begin_ms: int | None = None
        self._loud = 0
        self._quiet = 0
        self._read_bytes = 0
        self.received_bytes = 0

    def add(self, audio: bytes) -> Iterator[Segment]:
        """Yields what the next samples bring."""
        self.received_bytes += len(audio)
        windows = self._windows.add(audio)
        for at in range(0, len(windows), WINDOW_BYTES):
            yield from self._window(windows[at : at + WINDOW_BYTES])

    def finish(self) -> Iterator[Segment]:
        """Yields the end of an utterance that is still going on."""
        if self._begin_ms is not None:
            if rest := self._windows.rest:
                self._read_bytes += len(rest)
                yield SpeechWent(rest)
            yield self._end(self.read_ms)

    @property
    def read_ms(self) -> int:
        """How far the audio has been read."""
        return milliseconds(self._read_bytes)

    def _window(self, window: bytes) -> Iterator[Segment]:
        likely = self._detector.probability(window)
        self._read_bytes += WINDOW_BYTES
        if self._begin_ms is None:
            yield from self._outside(window, likely)
        else:
            yield from self._inside(window, likely, self._begin_ms)

    def _outside(self, window: bytes, likely: float) -> Iterator[Segment]:
        self._before.append(window)
        self._loud = self._loud + 1 if likely > _BEGINS_ABOVE else 0
        if self._loud == _WINDOWS_TO_BEGIN:
            audio = b"".join(self._before)
            self._begin_ms = milliseconds(self._read_bytes - len(audio))
            self._before.clear()
            self._loud = self._quiet = 0
            yield SpeechBegan(self._begin_ms)
            yield SpeechWent(audio)

    def _inside(self, window: bytes, likely: float, begin_ms: int) -> Iterator[Segment]:
        yield SpeechWent(window)
        self._quiet = self._quiet + 1 if likely < _ENDS_BELOW else 0
        if self._quiet == _WINDOWS_TO_END:
            yield self._end(self.read_ms - milliseconds(self._quiet * WINDOW_BYTES))
        elif self.read_ms - begin_ms >= _UTTERANCE_MS_MAX:
            yield self._end(self.read_ms)

    def _end(self, end_ms: int) -> SpeechEnded:
        begin_ms, self._begin_ms = self._begin_ms, None
        assert begin_ms is not None  # noqa: S101 - only an utterance that has begun ends
        return SpeechEnded(begin_ms, max(begin_ms, end_ms))
