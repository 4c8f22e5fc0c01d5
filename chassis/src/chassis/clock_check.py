"""Compares this node's clock with Redis', so that a pod with a wrong clock does not start to work.

Services accept one another's tokens as long as their clocks differ by at most `CLOCK_SKEW`. Any two that
are within half of that of Redis' do.
"""

import asyncio
import re
import time
from collections.abc import Callable

import structlog

from chassis.backoff import Backoff
from chassis.clock import CLOCK_SKEW
from chassis.readiness import Readiness, State
from chassis.redis_connection import FAILURES, open_connection

log = structlog.get_logger()

CHECK = "clock"
"""Its name in `/ready`."""

LIMIT_SECONDS = CLOCK_SKEW.total_seconds() / 2
TIMEOUT_SECONDS = 0.9
UNREACHABLE_SECONDS = 5.0
"""After how long a Redis counts as down: on busy cores the first attempts of a start come too late."""

_WARN_EVERY_SECONDS = 60.0
_SERVER_TIME = re.compile(rb"\bserver_time_usec:(\d+)")


async def check_clock(
    readiness: Readiness,
    may_begin: asyncio.Event,
    redis_url: str,
    *,
    client_name: str,
    now: Callable[[], float] = time.time,
) -> None:
    """Keeps the service unready until the clocks agree, then ends.

    Only a start is checked: a Redis with a wrong clock stops a rollout, and not the pods that serve. A Redis
    that is down keeps a start waiting for `UNREACHABLE_SECONDS`; the clocks are compared once it answers.

    Args:
        readiness: The service's.
        may_begin: Set when the clocks agree, or Redis counts as down.
        redis_url: The Redis whose clock counts.
        client_name: The service's name.
        now: This node's clock.
    """
    began = time.monotonic()
    backoff = Backoff(first_seconds=0.2, limit_seconds=5.0)
    warned = -_WARN_EVERY_SECONDS
    while True:
        try:
            ahead_seconds = await _ahead_of_redis(redis_url, client_name, now)
        except FAILURES:
            # The reader of events logs why.
            is_down = time.monotonic() - began >= UNREACHABLE_SECONDS
            if is_down and readiness.checks()[CHECK] is not State.FAILING:
                readiness.set(CHECK, ok=True)
                may_begin.set()
        else:
            is_right = abs(ahead_seconds) <= LIMIT_SECONDS
            readiness.set(CHECK, ok=is_right)
            if is_right:
                may_begin.set()
                return
            if time.monotonic() - warned >= _WARN_EVERY_SECONDS:
                warned = time.monotonic()
                log.warning(
                    "clock differs from that of Redis: set the clocks of both nodes",
                    ahead_seconds=round(ahead_seconds),
                    limit_seconds=LIMIT_SECONDS,
                )
        await backoff.pause()


async def _ahead_of_redis(url: str, client_name: str, now: Callable[[], float]) -> float:
    """Returns how far this clock is ahead of Redis', to within half of the round trip; 0 if it is not said.

    INFO says it, and not only TIME: a user of Redis that may only watch may ask for INFO.
    """
    async with open_connection(url, timeout_seconds=TIMEOUT_SECONDS, client_name=client_name) as redis:
        asked = now()
        (info,) = await redis.ask(("INFO", "server"))
        answered = now()
    found = _SERVER_TIME.search(info)
    return (asked + answered) / 2 - int(found[1]) / 1_000_000 if found else 0.0
