"""Runs voice-service."""

if __name__ == "__main__":
    from chassis import fast_imports

    fast_imports.begin()

import sys

from chassis.fast_imports import allow
from chassis.service import Service, Start

from voice_service.settings import VoiceSettings


def _start() -> Start[VoiceSettings]:
    allow("tempfile", "urllib.error", "urllib.request")  # httpx needs the last, and it the others
    from voice_service.wiring import start  # noqa: PLC0415 - commands do without

    return start


service = Service("voice-service", VoiceSettings, _start)

if __name__ == "__main__":
    service.main(sys.argv[1:])
