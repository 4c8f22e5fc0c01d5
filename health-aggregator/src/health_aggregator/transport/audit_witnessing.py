"""The job that witnesses the audit, and raises the alarm when the chain is not what was witnessed."""

import asyncio
from collections.abc import Callable

import structlog
from chassis.errors import ServiceError
from prometheus_client import Gauge

from health_aggregator.domain.audit_witness import ChainContradicted
from health_aggregator.usecases.witness_audit import WitnessAudit

log = structlog.get_logger()

EVERY_SECONDS = 5.0
CONTRADICTED = "its audit log is not what was witnessed"

_BROKEN = Gauge("health_audit_witness_broken", "1 while the audit chain is not what this service witnessed.")
_SEQUENCE = Gauge("health_audit_witnessed_sequence", "Place of the newest audit entry that is witnessed.")
_LOOKED = Gauge(
    "health_audit_witness_timestamp_seconds",
    "Unix time at which the audit chain was last held against what is witnessed.",
)


class AuditWitnessing:
    """Looks again and again, and tells what it finds once, until it finds something else.

    Args:
        witness: Looks once.
        show: Shows admins what is wrong with the audit, and others that something is; None once nothing is.
    """

    def __init__(self, witness: WitnessAudit, show: Callable[[str | None], None]) -> None:
        self._witness = witness
        self._show = show
        self._problem: str | None = None
        self._unheard = False

    async def run(self) -> None:
        """Looks until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(EVERY_SECONDS)

    async def look(self) -> None:
        """Looks once."""
        try:
            newest = await self._witness()
        except ChainContradicted as contradiction:
            self._found(str(contradiction))
        except ServiceError as error:
            # What was found before stands until the chain can be looked at again.
            if not self._unheard:
                log.warning("audit not witnessed", reason=error.reason, exc_info=error.__cause__)
            self._unheard = True
            return
        else:
            self._found(None)
            _SEQUENCE.set(0 if newest is None else newest.sequence)
        self._unheard = False
        _LOOKED.set_to_current_time()

    def _found(self, problem: str | None) -> None:
        _BROKEN.set(0 if problem is None else 1)
        self._show(problem)
        if problem is not None and problem != self._problem:
            log.error("audit contradicts its witness", problem=problem)
        if problem is None and self._problem is not None:
            log.info("audit agrees with its witness again")
        self._problem = problem
