"""A Wyoming server that understands the same in every utterance: `python -m bench.voice_backend PORT TEXT`.

Its own work is small, so that the gateway's and voice-service's can be measured beside it.
"""

import asyncio
import sys

from wyoming.asr import Transcript
from wyoming.audio import AudioStop
from wyoming.event import Event
from wyoming.server import AsyncEventHandler, AsyncTcpServer


class Handler(AsyncEventHandler):
    """One connection."""

    async def handle_event(self, event: Event) -> bool:
        """Responds to the end of an utterance."""
        if AudioStop.is_type(event.type):
            await self.write_event(Transcript(text=sys.argv[2]).event())
        return True


if __name__ == "__main__":
    asyncio.run(AsyncTcpServer("127.0.0.1", int(sys.argv[1])).run(Handler))
