"""Jobs: use cases that run at intervals, or when notified."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog
from chassis.backoff import Backoff
from chassis.errors import ServiceError
from chassis.ids import uuid7
from prometheus_client import Gauge

from auth_service.usecases.bootstrap_admin import Bootstrap, BootstrapAdmin

log = structlog.get_logger()

_BOOTSTRAP_PENDING = Gauge(
    "bootstrap_admin_pending",
    "1 while the first admin whom the settings name is not made: user-service or Postgres is silent.",
)

_SPREAD = 0.2
"""Share by which intervals differ, so that instances do not run in step."""


async def every(seconds: float, name: str, job: Callable[[], Awaitable[int]]) -> None:
    """Runs a job at intervals until cancelled; a failed run is retried at the next one."""
    while True:
        await asyncio.sleep(seconds * random.uniform(1 - _SPREAD, 1 + _SPREAD))  # noqa: S311 - jitter
        try:
            done = await job()
        except ServiceError as error:
            log.warning("job failed, will retry", job=name, reason=error.reason, exc_info=error.__cause__)
            continue
        if done:
            log.info("job done", job=name, count=done)


async def when_notified(
    wait: Callable[[float], Awaitable[None]], seconds: float, name: str, job: Callable[[], Awaitable[int]]
) -> None:
    """Runs a job on each notification, and after that time in any case, until cancelled."""
    failing = False
    while True:
        try:
            await job()
            failing = False
        except ServiceError as error:
            if not failing:
                log.warning("job failed, will retry", job=name, reason=error.reason)
            failing = True
        await wait(seconds)


async def bootstrap(job: BootstrapAdmin, email: str, password: str) -> None:
    """Registers the first admin as soon as user-service is reachable, however long that takes.

    Readiness does not depend on it: user-service needs this service's keys to become ready, so each would
    wait for the other.
    """
    backoff, user_id, waits = Backoff(first_seconds=0.1, limit_seconds=1.0), uuid7(), False
    _BOOTSTRAP_PENDING.set(1)
    while True:
        try:
            outcome = await job(email=email, password=password, user_id=user_id)
            break
        except ServiceError as error:
            if not waits:
                log.info("bootstrap admin waits for user-service", reason=error.reason)
            waits = True
        await backoff.pause()
    _BOOTSTRAP_PENDING.set(0)
    if outcome is Bootstrap.CREATED:
        log.info("bootstrap admin created")
    elif outcome is Bootstrap.ADDRESS_TAKEN:
        log.error("no admin made: BOOTSTRAP_ADMIN_EMAIL belongs to a user who is not an admin")
