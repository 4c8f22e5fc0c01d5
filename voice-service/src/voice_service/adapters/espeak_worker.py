"""Speaks one text: `python -m voice_service.adapters.espeak_worker <voice>`.

The text is read from standard input, since arguments are visible to other users; samples are written to
standard output while they are made. It ends when its output is closed.
"""

import ctypes
import os
import sys
from typing import Any

import espeakng_loader

SAMPLE_RATE = 22_050
_SYNCHRONOUS_RETRIEVAL = 2
_PART_MS = 100
_CHARACTERS_UTF8 = 1
_OUTPUT = 1


class _Voice(ctypes.Structure):
    """`espeak_VOICE`: what a voice is chosen by."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_char_p),
        ("identifier", ctypes.c_char_p),
        ("gender_age_variant", ctypes.c_ubyte * 4),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


def main() -> int:
    """Speaks; returns 1 if the voice is missing."""
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    data = espeakng_loader.get_data_path().encode()
    if library.espeak_Initialize(_SYNCHRONOUS_RETRIEVAL, _PART_MS, data, 0) != SAMPLE_RATE:
        return 1
    callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)

    def write(samples: Any, count: int, events: Any) -> int:
        """Returns 1 to stop: the service reads no more."""
        del events
        try:
            if samples and count:
                _write_all(ctypes.string_at(samples, count * ctypes.sizeof(ctypes.c_short)))
        except OSError:
            return 1
        return 0

    kept = callback(write)
    library.espeak_SetSynthCallback(kept)
    name = sys.argv[1].encode()
    if library.espeak_SetVoiceByName(name) != 0:
        voice = _Voice(languages=name)
        if library.espeak_SetVoiceByProperties(ctypes.byref(voice)) != 0:
            return 1
    text = sys.stdin.buffer.read()
    library.espeak_Synth(text, len(text) + 1, 0, 1, 0, _CHARACTERS_UTF8, None, None)
    return int(library.espeak_Synchronize())


def _write_all(audio: bytes) -> None:
    while audio:
        audio = audio[os.write(_OUTPUT, audio) :]


if __name__ == "__main__":
    sys.exit(main())
