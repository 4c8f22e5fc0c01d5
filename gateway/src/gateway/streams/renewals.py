"""Other tokens that a client sends while its stream is open, so that the stream outlives its first one."""

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable
from time import monotonic

from gateway.http.problems import InvalidJson, RateLimited

OFFERS_MAX = 10
OFFERS_SECONDS = 60.0
"""A stream takes ten tokens per minute: each may cost a verification and a question to auth-service."""

Renew = Callable[[str], Awaitable[None]]
"""Takes another token of the same user; raises where it is refused."""

_SPACE = r"[ \t\r\n]*"
_AUTH_FRAME = re.compile(_SPACE.join(("", r"\{", '"auth"', ":", r'"([^"\\\x00-\x1f]*)"', r"\}", "")))


class Renewals:
    """Takes tokens; of several that wait, the last one counts."""

    def __init__(self, renew: Renew | None) -> None:
        """Takes what makes a stream go on by a token; None where the method is public."""
        self._renew = renew
        self._offered: asyncio.Queue[str | RateLimited] = asyncio.Queue(1)
        self._offered_at: deque[float] = deque(maxlen=OFFERS_MAX)

    def take_at_once(self, message: bytes | str) -> bool:
        """Takes a token before its turn, since messages that the service does not take may lie before it.

        Returns:
            Whether the message is one; a token that is written with escapes has to wait for its turn.
        """
        if self._renew is None or not isinstance(message, str):
            return False
        found = _AUTH_FRAME.fullmatch(message)
        if found is not None:
            self.offer(found[1])
        return found is not None

    def offer(self, token: object) -> None:
        """Has the stream go on by another token; one too many ends it in its place.

        Raises:
            InvalidJson: it is none, or the method takes none.
        """
        if self._renew is None or not isinstance(token, str):
            raise InvalidJson
        now, offered_at = monotonic(), self._offered_at
        is_too_many = len(offered_at) == OFFERS_MAX and now - offered_at[0] < OFFERS_SECONDS
        offered_at.append(now)
        if self._offered.full():
            self._offered.get_nowait()
        self._offered.put_nowait(RateLimited() if is_too_many else token)

    async def next(self) -> None:
        """Waits for a token and has the stream go on by it; raises where it is refused."""
        offered = await self._offered.get()
        if isinstance(offered, RateLimited):
            raise offered
        if self._renew is not None:
            await self._renew(offered)
