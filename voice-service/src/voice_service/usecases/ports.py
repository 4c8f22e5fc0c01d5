"""What the use cases need."""

from collections.abc import Callable
from dataclasses import dataclass

from voice_service.domain.answers import Answers
from voice_service.domain.session import AuditTrail
from voice_service.domain.speech import SpeechDetector, Synthesizer, Transcriber


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of the service.

    Attributes:
        detector: Makes the speech detector of a session.
        transcriber: Turns speech into text.
        synthesizer: Turns text into speech.
        answers: Answers questions; None where knowledge-service is off.
        audit: Where sessions are audited.
    """

    detector: Callable[[], SpeechDetector]
    transcriber: Transcriber
    synthesizer: Synthesizer
    answers: Answers | None
    audit: AuditTrail
