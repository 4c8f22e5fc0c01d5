"""Ports to what understands and makes speech, and how utterances are found and kept."""

from collections.abc import AsyncGenerator
from typing import Protocol

from chassis.errors import Unavailable

WINDOW_SAMPLES = 512
"""Samples that a detector takes at a time: 32 ms."""


class BackendFailed(Unavailable):
    """A speech backend refuses, reports an error, or sends what is not of its protocol."""

    message = "The speech backend is not available just now."


class BackendLost(BackendFailed):
    """A speech backend does not respond, or has dropped the connection: another attempt may work."""


class BackendUnreachable(BackendLost):
    """A speech backend cannot be reached: it may be restarting."""


class SpeechDetector(Protocol):
    """Finds speech in audio. Keeps state: one per session."""

    def probability(self, window: bytes) -> float:
        """Returns how likely the next `WINDOW_SAMPLES` samples are speech, from 0 to 1."""
        ...


class Utterance(Protocol):
    """The transcription of one utterance, in progress.

    Attributes:
        partial: What has been understood so far; empty for backends that say nothing before the end.
    """

    partial: str

    async def add(self, audio: bytes) -> None:
        """Takes in the next samples.

        Raises:
            BackendFailed: the backend has failed.
        """
        ...

    async def finish(self) -> str:
        """Returns all that was said; empty if nothing was understood.

        Raises:
            BackendFailed: the backend has failed.
        """
        ...

    async def close(self) -> None:
        """Releases the backend, finished or not; raises nothing."""
        ...


class Transcriber(Protocol):
    """Turns speech into text."""

    async def open(self, language: str) -> Utterance:
        """Begins an utterance.

        Raises:
            BackendFailed: the backend cannot be reached, or refuses.
        """
        ...


class Synthesizer(Protocol):
    """Turns text into speech.

    Attributes:
        sample_rate: Samples per second of its audio.
    """

    sample_rate: int

    def speak(self, text: str, voice: str) -> AsyncGenerator[bytes, None]:
        """Yields the audio while it is made. Closing the iterator stops the backend.

        Raises:
            BackendFailed: the backend has failed.
        """
        ...
