"""Making the first admin as soon as user-service is there."""

import structlog
from chassis.backoff import Backoff
from chassis.errors import ServiceError
from chassis.ids import uuid7
from prometheus_client import Gauge

from auth_service.usecases.bootstrap_admin import Bootstrap, BootstrapAdmin

log = structlog.get_logger()

_BOOTSTRAP_PENDING = Gauge(
    "bootstrap_admin_pending",
    "1 while the first admin named by the settings is not created: user-service or Postgres is unreachable.",
)


async def make_first_admin(job: BootstrapAdmin, email: str, password: str) -> None:
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
