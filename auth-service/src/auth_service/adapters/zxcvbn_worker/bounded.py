"""Rates passwords by zxcvbn within a bounded time.

zxcvbn's time grows exponentially with the number of characters that may stand for a letter
(`4`, `@`, `$` …), so no length alone bounds it. A text is rated in three steps:

1. The whole text is rated, for a limited processor time. That is the verdict on nearly all.
2. When it took longer, a text that repeats itself is cut down to what it repeats, since repeating adds
   next to nothing.
3. What is left is rated by pieces so short that each is quick, until one alone is strong enough or
   the time is over. A guesser who knows all but that piece has to guess the piece: so a text with a
   strong piece is strong. When no piece was found strong in time, the text is refused: a strong
   password of many substituted characters may be refused, a weak one is never taken unrated.

Times are of the processor at its usual speed, not of the clock: neither a busy machine nor a slow core
changes a verdict.
"""

import gc
import signal
import time
from collections.abc import Callable, Sequence
from types import FrameType

from zxcvbn import zxcvbn

from auth_service.adapters.zxcvbn_worker.core_speed import CoreSpeed
from auth_service.domain.password import LENGTH_MAX, SCORE_MIN

REQUEST_SECONDS = 0.046
"""Processor time of one request, whatever it holds, at the processor's usual speed."""

_WHOLE_SHARE = 0.6
_PIECE_LENGTH = 12
_TICK_SECONDS = 0.002
_EXPANDED_LENGTH_MAX = 8 * LENGTH_MAX

_REPEATS = 'Repeats like "abcabcabc" are only slightly harder to guess than "abc".'
_TOO_INTRICATE = (
    "It could not be rated in time, since many of its characters may stand for letters (such as @ for a)."
    " Use whole words, or fewer of these characters."
)

Verdict = tuple[int, str]


class _TimeIsUp(Exception):
    """The processor time of a step is used up."""


class Timer:
    """Raises `_TimeIsUp` in the code that runs once a processor time is used up.

    The clock ticks, and each tick looks at the processor time: a timer of the processor's own
    (`ITIMER_PROF`) is only as fine as the kernel's tick, 4 to 10 ms.

    Args:
        times_slower: Says how many times slower than usual the processor is just now.
    """

    def __init__(self, times_slower: Callable[[], float] | None = None) -> None:
        self._times_slower = times_slower or CoreSpeed()
        self._until: float | None = None
        self._ticked_at = 0.0
        self._lost = 0.0
        signal.signal(signal.SIGALRM, self._tick)

    def now(self) -> float:
        """Returns the processor time used so far, in seconds, as it would be at the usual speed."""
        return time.process_time() - self._lost

    def run(self, password: str, terms: Sequence[str], seconds: float) -> Verdict | None:
        """Returns zxcvbn's verdict; None when it takes longer than `seconds`."""
        if seconds <= 0:
            return None
        self._ticked_at = time.process_time()
        self._until = self.now() + seconds
        try:
            # Ticks go on after the time is up, because an exception in a finalizer is lost.
            signal.setitimer(signal.ITIMER_REAL, _TICK_SECONDS, _TICK_SECONDS)
            return _verdict(password, terms)
        except _TimeIsUp:
            return None
        finally:
            self._until = None
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _tick(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if self._until is None:
            return
        used, self._ticked_at = time.process_time() - self._ticked_at, time.process_time()
        self._lost += used * (1 - 1 / self._times_slower())
        if self.now() >= self._until:
            raise _TimeIsUp


def collect_by_hand() -> None:
    """Has garbage collected only when the caller does so, between requests, and never in the word lists.

    A collection that walks them takes some 20 ms, in which no timer's signal is handled.
    """
    gc.collect()
    gc.freeze()
    gc.disable()


def rate(passwords: Sequence[str], terms: Sequence[str], timer: Timer) -> list[Verdict]:
    """Returns the verdict on each password; equal ones are rated once."""
    different = list(dict.fromkeys(passwords))
    until = timer.now() + REQUEST_SECONDS
    verdicts = {}
    for done, password in enumerate(different):
        # What one text takes too long, the others have less.
        share = (until - timer.now()) / (len(different) - done)
        verdicts[password] = _rate(password, terms, timer, share)
    return [verdicts[password] for password in passwords]


def _rate(password: str, terms: Sequence[str], timer: Timer, seconds: float) -> Verdict:
    if not password:
        return 0, ""
    until = timer.now() + seconds
    # Taking personal terms out can lengthen a text: some characters fold to many.
    password = password[:_EXPANDED_LENGTH_MAX]
    verdict = timer.run(password, terms, seconds * _WHOLE_SHARE)
    if verdict is not None:
        return verdict
    base = _repeated(password)
    score, advice = _by_pieces(base, terms, timer, until)
    return score, (advice if base == password else _REPEATS)


def _by_pieces(password: str, terms: Sequence[str], timer: Timer, until: float) -> Verdict:
    found: Verdict | None = None
    for begin in range(0, len(password), _PIECE_LENGTH):
        piece = timer.run(password[begin : begin + _PIECE_LENGTH], terms, until - timer.now())
        if piece is None:
            break
        if found is None or piece[0] > found[0]:
            found = piece
        if found[0] >= SCORE_MIN:
            return found
    return (0, _TOO_INTRICATE) if found is None else (found[0], found[1] or _TOO_INTRICATE)


def _repeated(text: str) -> str:
    """Returns what a text repeats at least twice, the last time perhaps not to its end; else the text."""
    # The longest border of each prefix (Knuth, Morris, Pratt): linear in the length.
    borders = [0] * len(text)
    matched = 0
    for index in range(1, len(text)):
        while matched and text[index] != text[matched]:
            matched = borders[matched - 1]
        if text[index] == text[matched]:
            matched += 1
        borders[index] = matched
    period = len(text) - borders[-1]
    return text[:period] if 2 * period <= len(text) else text


def _verdict(password: str, terms: Sequence[str]) -> Verdict:
    found = zxcvbn(password, user_inputs=list(terms), max_length=_EXPANDED_LENGTH_MAX)
    feedback = found["feedback"]
    advice = [feedback["warning"], *feedback["suggestions"]]
    return found["score"], " ".join(part for part in advice if part)
