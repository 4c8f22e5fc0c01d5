"""What the use cases need."""

from collections.abc import Callable

from chassis.dataclass import dataclass

from voice_service.domain.answers import Answers
from voice_service.domain.backends import SpeechDetector, Synthesizer, Transcriber
from voice_service.usecases.sessions import Sessions


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of the service.

    Attributes:
        detector: Makes the speech detector of a session.
        transcriber: Turns speech into text.
        synthesizer: Turns text into speech.
        languages: What the transcriber understands, by BCP 47; a language includes its variants.
        voices: What the synthesizer speaks with; the first is the default.
        answers: Answers questions; None where knowledge-service is off.
        sessions: The sessions of this process.
    """

    detector: Callable[[], SpeechDetector]
    transcriber: Transcriber
    synthesizer: Synthesizer
    languages: tuple[str, ...]
    voices: tuple[str, ...]
    answers: Answers | None
    sessions: Sessions
