"""Audio: 16-bit little-endian mono PCM, and the headers around it."""

import struct

from chassis.errors import Invalid

SAMPLE_RATE = 16_000
"""Samples per second of what is transcribed."""

SAMPLE_BYTES = 2

_UNKNOWN_LENGTH = 0xFFFF_FFFF
"""In the header of a WAV file that is sent before its end is made; players read on to the end of the body."""

_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")


def milliseconds(size_bytes: int, sample_rate: int = SAMPLE_RATE) -> int:
    """Returns how long this number of bytes of audio lasts."""
    return size_bytes * 1000 // (sample_rate * SAMPLE_BYTES)


def size_bytes(duration_ms: int, sample_rate: int = SAMPLE_RATE) -> int:
    """Returns how many bytes audio of this duration has."""
    return duration_ms * sample_rate // 1000 * SAMPLE_BYTES


def check(audio: bytes) -> None:
    """Refuses what cannot be samples.

    Raises:
        Invalid: half a sample, or the header of a WAV file.
    """
    if len(audio) % SAMPLE_BYTES:
        raise Invalid.on("audio", "must be whole 16-bit samples")
    if audio[:4] == b"RIFF" and b"WAVE".startswith(audio[8:12]):
        raise Invalid.on("audio", "must be samples without a WAV header")


class Blocks:
    """Cuts audio that comes in parts of any length at whole blocks, such as samples.

    Attributes:
        rest: What is less than a block.
    """

    def __init__(self, size_bytes: int) -> None:
        self._size_bytes = size_bytes
        self.rest = b""

    def add(self, part: bytes) -> bytes:
        """Takes in the next part; returns the blocks that are whole with it."""
        audio = self.rest + part
        whole = len(audio) - len(audio) % self._size_bytes
        self.rest = audio[whole:]
        return audio[:whole]


def wav_header(sample_rate: int, length_bytes: int | None = None) -> bytes:
    """Returns the header of a WAV file of mono PCM.

    Args:
        sample_rate: Samples per second.
        length_bytes: Of the samples; None while it is not known.
    """
    if length_bytes is None:
        whole, samples = _UNKNOWN_LENGTH, _UNKNOWN_LENGTH - (_HEADER.size - 8)
    else:
        whole, samples = _HEADER.size - 8 + length_bytes, length_bytes
    rate = sample_rate * SAMPLE_BYTES
    return _HEADER.pack(
        b"RIFF", whole, b"WAVE", b"fmt ", 16, 1, 1, sample_rate, rate, SAMPLE_BYTES, 16, b"data", samples
    )


def wav_file(audio: bytes, sample_rate: int = SAMPLE_RATE) -> bytes:
    """Returns samples as a WAV file."""
    return wav_header(sample_rate, len(audio)) + audio
