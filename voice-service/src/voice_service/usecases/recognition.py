"""The recognition of one utterance, by a backend that may be lost once."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from voice_service.domain.backends import BackendLost, Transcriber, Utterance
from voice_service.usecases.reconnection import Reconnection

T = TypeVar("T")


class Recognition:
    """Keeps the audio of an utterance until its text is final, so that another connection can get it."""

    def __init__(self, transcriber: Transcriber, language: str) -> None:
        self._transcriber = transcriber
        self._language = language
        self._audio = bytearray()
        self._fed_bytes = 0
        self._utterance: Utterance | None = None
        self._reconnection = Reconnection()

    @property
    def partial(self) -> str:
        """What has been understood so far."""
        return "" if self._utterance is None else self._utterance.partial

    async def add(self, audio: bytes) -> None:
        """Takes in the next samples.

        Raises:
            BackendFailed: the backend was lost twice, or has failed.
        """
        self._audio += audio
        await self._retried(self._feed)

    async def finish(self) -> str:
        """Returns the text.

        Raises:
            BackendFailed: the backend was lost twice, or has failed.
        """
        return await self._retried(self._finish)

    async def close(self) -> None:
        """Releases the backend."""
        utterance, self._utterance = self._utterance, None
        if utterance is not None:
            await utterance.close()

    async def _feed(self) -> Utterance:
        """Gives the backend what it has not got yet."""
        if self._utterance is None:
            self._utterance = await self._transcriber.open(self._language)
            self._fed_bytes = 0
        new = bytes(self._audio[self._fed_bytes :])
        if new:
            await self._utterance.add(new)
            self._fed_bytes += len(new)
        return self._utterance

    async def _finish(self) -> str:
        return await (await self._feed()).finish()

    async def _retried(self, step: Callable[[], Awaitable[T]]) -> T:
        while True:
            try:
                return await step()
            except BackendLost as error:
                await self.close()
                await self._reconnection.wait(error)
