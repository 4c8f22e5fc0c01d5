"""A synthesizer by eSpeak NG."""

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncGenerator
from contextlib import suppress

from voice_service.adapters.espeak import worker
from voice_service.domain.audio import SAMPLE_BYTES
from voice_service.domain.speech import BackendLost

_PART_BYTES = 4_410


class EspeakSynthesizer:
    """`Synthesizer`: one process per sentence."""

    sample_rate = worker.SAMPLE_RATE

    def __init__(self, voices: tuple[str, ...]) -> None:
        self.voices = voices

    async def speak(self, text: str, voice: str) -> AsyncGenerator[bytes, None]:
        """Yields the audio while it is made.

        Raises:
            BackendLost: the process has failed.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", worker.__name__, voice, stdin=PIPE, stdout=PIPE, stderr=DEVNULL
        )
        assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - both are pipes
        try:
            with suppress(OSError):
                process.stdin.write(text.encode())
                await process.stdin.drain()
            process.stdin.close()
            rest = b""
            while audio := await process.stdout.read(_PART_BYTES):
                audio = rest + audio
                whole = len(audio) - len(audio) % SAMPLE_BYTES
                rest = audio[whole:]
                if whole:
                    yield audio[:whole]
            if await process.wait() != 0:
                raise BackendLost
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
