"""Speaking a text."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from chassis.component import Component
from chassis.errors import Invalid
from chassis.identity.caller import Caller

from voice_service.domain.audio import milliseconds, wav_header
from voice_service.domain.backends import BackendLost, Synthesizer
from voice_service.domain.sentences import Sentences, spoken
from voice_service.domain.session import Action
from voice_service.usecases.ports import Ports
from voice_service.usecases.reconnection import Reconnection


class Speak(Component):
    """Speaks a text, sentence by sentence, so that the first is played while the next are made."""

    ports: Ports

    async def __call__(self, text: str, voice: str, caller: Caller) -> AsyncGenerator[bytes, None]:
        """Yields a WAV file while it is made; the header comes with the first audio.

        Args:
            text: What to speak.
            voice: The voice; the first when empty.
            caller: Who asks.

        Raises:
            SessionsFull: there are too many sessions.
            Invalid: there is no such voice, or nothing to speak.
            BackendFailed: the synthesizer has failed.
        """
        synthesizer, voices = self.ports.synthesizer, self.ports.voices
        with self.ports.sessions.session(Action.SPEAK, caller) as session:
            session.amounts |= {"characters": len(text), "audio_ms": 0}
            if voice and voice not in voices:
                raise Invalid.on("voice", f"must be one of {', '.join(voices)}")
            collected = Sentences()
            sentences = [spoken(each) for each in collected.add(text) + collected.rest()]
            if not any(character.isalnum() for sentence in sentences for character in sentence):
                raise Invalid.on("text", "must have something to speak")
            head, sent_bytes = wav_header(synthesizer.sample_rate), 0
            for sentence in filter(None, sentences):
                async with aclosing(speech(synthesizer, sentence, voice or voices[0])) as parts:
                    async for audio in parts:
                        sent_bytes += len(audio)
                        session.amounts["audio_ms"] = milliseconds(sent_bytes, synthesizer.sample_rate)
                        yield head + audio
                        head = b""


async def speech(synthesizer: Synthesizer, text: str, voice: str) -> AsyncGenerator[bytes, None]:
    """Yields the audio of a sentence.

    A backend that was lost is asked again, and what had come is left out of what comes then.

    Args:
        synthesizer: The backend.
        text: The sentence.
        voice: The voice.

    Raises:
        BackendFailed: the backend was lost twice, or has failed.
    """
    given_bytes, reconnection = 0, Reconnection()
    while True:
        known_bytes = given_bytes
        try:
            async with aclosing(synthesizer.speak(text, voice)) as parts:
                async for audio in parts:
                    new = audio[known_bytes:]
                    known_bytes -= len(audio) - len(new)
                    given_bytes += len(new)
                    if new:
                        yield new
        except BackendLost as error:
            await reconnection.wait(error)
        else:
            return
