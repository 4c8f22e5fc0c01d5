"""Client-side load shedding: makes few calls of a method while its service reports overload."""

import asyncio
import time
from bisect import insort
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from operator import itemgetter
from typing import Any

from chassis.addresses import site_of
from chassis.errors import Unavailable
from prometheus_client import Counter

from gateway.http.request import ClientGone

HOLD_SECONDS_MAX = 0.25
"""At most this long, whatever the service asks for: its other pods may have capacity."""

PACED_HOLDS = 10
"""For how many times as long as it asks for calls are spaced after a refusal."""

WAIT_SECONDS_MAX = 0.5
"""How long a call of a site that has not been served lately may wait for its turn."""

SERVED_LATELY_SECONDS = 10.0
SITES_MAX = 1024
"""How many sites are remembered; beyond, the one that was served longest ago is new again."""

_HELD = Counter(
    "gateway_held_total",
    "Calls refused at once because their service had just reported overload.",
    ["method"],
)


class LoadShedder:
    """Spaces the calls of one method after the service refused one for overload.

    Under ten times more sign-ins than can be hashed, nine of ten calls would be made only to be refused,
    at 1 ms of processor time on each side. A service asks for the time in which it gets room for one more
    call. The first call is made after it, the next ones at ever shorter intervals: the service gets as many
    as it has room for, and one too many after a while, with which it starts again.

    Whose call is made is not left to who comes first, which is who sends the most: a site (a network that may
    be one customer's) that was not served lately gets the next turn, and waits for it. A client that leaves
    while it waits gives its turn to the next one.
    """

    def __init__(self, method: str) -> None:
        """`method`: the name for the metric."""
        self._held = _HELD.labels(method)
        self._hold_seconds = 0.0
        self._refused_at = 0.0
        self._next_at = 0.0
        self._retry_after_seconds: float | None = None
        self._served: OrderedDict[str, float] = OrderedDict()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._turns: list[tuple[float, asyncio.TimerHandle]] = []

    def check(self, address: str) -> None:
        """Returns if the service may be called for a client, now or at a turn that is near enough.

        Args:
            address: The client's.

        Raises:
            Unavailable: it reported overload just now.
        """
        if not self._hold_seconds:
            return
        now = time.monotonic()
        if now >= self._next_at:
            return
        if self._next_at - now > WAIT_SECONDS_MAX or now < self._served.get(site_of(address), 0.0):
            self._held.inc()
            raise Unavailable(retry_after_seconds=self._retry_after_seconds)

    async def begin(self, address: str, gone: Callable[[], Awaitable[object]]) -> None:
        """Returns when the service may be called for a client, and counts on its being called.

        Args:
            address: The client's.
            gone: Returns when the client has left.

        Raises:
            Unavailable: it reported overload just now.
            ClientGone: the client left while it waited.
        """
        self.check(address)
        if not self._hold_seconds:
            return
        now = time.monotonic()
        turn = max(now, self._next_at)
        if self._paced(now) < 1:
            self._next_at = turn + self._hold_seconds * max(1 - self._paced(turn), 1 / PACED_HOLDS)
            self._note(site_of(address), now + SERVED_LATELY_SECONDS)
        else:
            self._hold_seconds = 0.0
            self._served.clear()
        if turn <= now:
            return
        try:
            await self._wait(turn, turn - now, gone)
        except BaseException:
            self._served.pop(site_of(address), None)
            raise

    def record(self, refusal: Unavailable, address: str) -> None:
        """Spaces calls by the time that the refusal of a client's call says, if it does.

        The client's site was not served by it, and keeps its claim to a turn.
        """
        if refusal.hold_seconds:
            self._served.pop(site_of(address), None)
            self._hold_seconds = min(refusal.hold_seconds, HOLD_SECONDS_MAX)
            self._refused_at = time.monotonic()
            self._next_at = self._refused_at + self._hold_seconds
            self._retry_after_seconds = refusal.retry_after_seconds

    async def _wait(self, turn: float, seconds: float, gone: Callable[[], Awaitable[object]]) -> None:
        """Waits for a turn: this one, or an earlier one of a client that has left."""
        loop = asyncio.get_running_loop()
        own: asyncio.Future[None] = loop.create_future()
        self._waiting.append(own)
        insort(self._turns, (turn, loop.call_later(seconds, self._take_turn)), key=itemgetter(0))
        left: asyncio.Future[object] = asyncio.ensure_future(gone())
        awaited: set[asyncio.Future[Any]] = {own, left}
        try:
            await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        finally:
            has_left = left.done() or not own.done()
            if has_left:
                self._pass_on(own)
            left.cancel()
        if has_left:
            raise ClientGone

    def _take_turn(self) -> None:
        # Timers are exact to a millisecond: of two turns within one, the later may come first, and be gone.
        del self._turns[:1]
        if self._waiting:
            self._waiting.popleft().set_result(None)

    def _pass_on(self, own: "asyncio.Future[None]") -> None:
        """Lets those behind a client that has left move up, so that the last turn is free."""
        if not own.done():
            self._waiting.remove(own)
        elif self._waiting:
            self._waiting.popleft().set_result(None)
        free = time.monotonic()
        if self._turns:
            free, timer = self._turns.pop()
            timer.cancel()
        self._next_at = min(self._next_at, free)

    def _paced(self, now: float) -> float:
        """Returns which part of the time has passed for which calls are spaced."""
        return (now - self._refused_at) / (self._hold_seconds * PACED_HOLDS)

    def _note(self, site: str, until: float) -> None:
        """Notes that a site is served, and until when that is lately."""
        self._served[site] = until
        self._served.move_to_end(site)
        if len(self._served) > SITES_MAX:
            self._served.popitem(last=False)
