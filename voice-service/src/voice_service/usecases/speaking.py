"""Speaking a text."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from chassis.errors import Invalid
from chassis.identity.caller import Caller

from voice_service.domain.audio import milliseconds, wav_header
from voice_service.domain.sentences import Sentences, spoken
from voice_service.domain.session import Action
from voice_service.usecases.audit import audited
from voice_service.usecases.ports import Ports


@dataclass(frozen=True, slots=True)
class Speak:
    """Speaks a text, sentence by sentence, so that the first is played while the next are made."""

    ports: Ports

    async def __call__(self, text: str, voice: str, caller: Caller) -> AsyncGenerator[bytes, None]:
        """Yields a WAV file while it is made; the header comes with the first audio.

        Args:
            text: What to speak.
            voice: The voice; the first when empty.
            caller: Who asks.

        Raises:
            Invalid: there is no such voice, or nothing to speak.
            BackendLost: the synthesizer has failed.
        """
        synthesizer = self.ports.synthesizer
        with audited(self.ports.audit, Action.SPEAK, caller) as session:
            session.amounts |= {"characters": len(text), "audio_ms": 0}
            if voice and voice not in synthesizer.voices:
                raise Invalid.on("voice", f"must be one of {', '.join(synthesizer.voices)}")
            collected = Sentences()
            sentences = [spoken(each) for each in collected.add(text) + collected.rest()]
            if not any(character.isalnum() for character in text):
                raise Invalid.on("text", "must have something to speak")
            head, sent_bytes = wav_header(synthesizer.sample_rate), 0
            for sentence in filter(None, sentences):
                async with aclosing(synthesizer.speak(sentence, voice or synthesizer.voices[0])) as parts:
                    async for audio in parts:
                        sent_bytes += len(audio)
                        session.amounts["audio_ms"] = milliseconds(sent_bytes, synthesizer.sample_rate)
                        yield head + audio
                        head = b""
