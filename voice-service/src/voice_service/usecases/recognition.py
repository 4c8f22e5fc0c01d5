"""The recognition of one utterance, by a backend that may be lost once."""

from voice_service.domain.speech import BackendLost, Transcriber, Utterance


class Recognition:
    """Keeps the audio of an utterance until its text is final, so that another connection can get it."""

    def __init__(self, transcriber: Transcriber, language: str) -> None:
        self._transcriber = transcriber
        self._language = language
        self._audio = bytearray()
        self._fed_bytes = 0
        self._utterance: Utterance | None = None
        self._was_lost = False

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
        try:
            await self._feed()
        except BackendLost as error:
            await self._recover(error)
            await self._feed()

    async def finish(self) -> str:
        """Returns the text.

        Raises:
            BackendFailed: the backend was lost twice, or has failed.
        """
        try:
            return await (await self._feed()).finish()
        except BackendLost as error:
            await self._recover(error)
            return await (await self._feed()).finish()

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

    async def _recover(self, error: BackendLost) -> None:
        await self.close()
        if self._was_lost:
            raise error
        self._was_lost = True
