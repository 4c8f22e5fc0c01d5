"""Speaking a text, with a synthesizer that may be lost."""

from collections.abc import AsyncGenerator

import pytest
from chassis.errors import Invalid
from chassis.identity.caller import ANONYMOUS
from voice_service.domain.audio import wav_header
from voice_service.domain.backends import BackendFailed, BackendLost, BackendUnreachable
from voice_service.domain.session import Outcome
from voice_service.usecases.speech import Speak

from tests.voice_service.speech import RecordedAudit, ports

TEXT = "Take one tablet. Do not take two."
SENTENCES = ["Take one tablet.", "Do not take two."]


def audio_of(sentence: str) -> bytes:
    """Returns the audio that stands for a sentence."""
    return sentence.encode() * 100


class Synthesizer:
    """`Synthesizer` that fails within some of its calls: after a number of parts, with an error.

    Attributes:
        failures: For each call: how many parts come before which error; None for a call that succeeds.
        asked: The sentences and voices.
    """

    sample_rate = 16_000

    def __init__(self, *failures: tuple[int, type[Exception]] | None) -> None:
        self.failures = list(failures)
        self.asked: list[tuple[str, str]] = []

    async def speak(self, text: str, voice: str) -> AsyncGenerator[bytes, None]:
        self.asked.append((text, voice))
        failure = self.failures.pop(0) if self.failures else None
        audio, size = audio_of(text), 250 + 2 * len(self.asked)
        for number, at in enumerate(range(0, len(audio), size)):
            if failure is not None and number == failure[0]:
                raise failure[1]
            yield audio[at : at + size]


async def spoken(synthesizer: Synthesizer, voice: str = "", audit: RecordedAudit | None = None) -> bytes:
    """Returns the file."""
    speak = Speak(ports(synthesizer=synthesizer, voices=("amy", "joe"), audit=audit))
    return b"".join([part async for part in speak(TEXT, voice, ANONYMOUS)])


WHOLE = wav_header(16_000) + b"".join(map(audio_of, SENTENCES))


@pytest.mark.parametrize("after", [0, 1, 3])
async def test_a_synthesizer_that_is_lost_is_asked_once_more(after: int) -> None:
    """For each sentence; what had come does not come twice, however the parts are cut."""
    synthesizer = Synthesizer((after, BackendLost), None, (after, BackendLost), None)
    audit = RecordedAudit()

    assert await spoken(synthesizer, "joe", audit) == WHOLE
    assert synthesizer.asked == [(text, "joe") for text in SENTENCES for _ in range(2)]
    (session,) = audit.sessions
    assert session.amounts == {"characters": len(TEXT), "audio_ms": (len(WHOLE) - 44) // 32}
    assert (session.outcome, session.ended_by) == (Outcome.SUCCESS, "finished")


@pytest.mark.parametrize(
    ("failures", "calls"),
    [
        ([(1, BackendLost), (0, BackendLost)], 2),
        ([(1, BackendLost), (0, BackendUnreachable), (0, BackendLost)], 3),
        ([(1, BackendFailed)], 1),
        ([(0, BackendFailed)], 1),
    ],
)
async def test_a_synthesizer_that_fails(failures: list[tuple[int, type[Exception]]], calls: int) -> None:
    """A second loss ends it, one that cannot be reached is tried for longer; a refusal is final."""
    synthesizer, audit = Synthesizer(*failures), RecordedAudit()
    with pytest.raises(failures[-1][1]):
        await spoken(synthesizer, audit=audit)

    assert synthesizer.asked == [(SENTENCES[0], "amy")] * calls
    assert [session.outcome for session in audit.sessions] == [Outcome.FAILED]


async def test_a_synthesizer_that_restarts() -> None:
    """What had come does not come twice."""
    away = [(0, BackendUnreachable)] * 3
    assert await spoken(Synthesizer((3, BackendLost), *away)) == WHOLE


async def test_an_unknown_voice_is_refused() -> None:
    synthesizer, audit = Synthesizer(), RecordedAudit()
    with pytest.raises(Invalid):
        await spoken(synthesizer, "eve", audit)

    assert synthesizer.asked == []
    assert [session.outcome for session in audit.sessions] == [Outcome.REFUSED]
