"""Runs voice-service."""

if __name__ == "__main__":
    from chassis import fast_imports

    fast_imports.begin()

import sys

from chassis.service import Service, Start

from voice_service.settings import VoiceSettings


def _start() -> Start[VoiceSettings]:
    from voice_service.wiring import start  # noqa: PLC0415 - commands do without

    return start


service = Service("voice-service", VoiceSettings, _start)

if __name__ == "__main__":
    service.main(sys.argv[1:])
