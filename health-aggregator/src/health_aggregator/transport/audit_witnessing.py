"""The job that witnesses the audit chain, and reports a chain that contradicts the stored heads."""

from collections.abc import Callable

import structlog
from prometheus_client import Gauge

from health_aggregator.domain.audit_witness import ChainContradicted
from health_aggregator.usecases.audit_witness import WitnessAudit

log = structlog.get_logger()

CONTRADICTED = "its audit log is not what was witnessed"

_BROKEN = Gauge(
    "health_audit_witness_broken", "1 while the audit chain contradicts what this service witnessed."
)
_SEQUENCE = Gauge("health_audit_witnessed_sequence", "Sequence number of the newest witnessed audit entry.")
_COMPARED = Gauge(
    "health_audit_witness_timestamp_seconds",
    "Unix time at which the audit chain was last compared with what is witnessed.",
)


class AuditWitnessing:
    """Witnesses the chain, and logs each new problem once.

    Args:
        witness: Witnesses the chain once.
        show: Sets the problem that the status shows; None clears it.
    """

    def __init__(self, witness: WitnessAudit, show: Callable[[str | None], None]) -> None:
        self._witness = witness
        self._show = show
        self._problem: str | None = None

    async def __call__(self) -> int:
        """Witnesses once. Until the chain can be compared again, a known problem stays.

        Returns:
            0: a comparison is the rule, and no line of the log.

        Raises:
            ServiceError: auth-service or Postgres is unreachable; retry.
        """
        try:
            newest = await self._witness()
        except ChainContradicted as contradiction:
            self._found(str(contradiction))
        else:
            self._found(None)
            _SEQUENCE.set(0 if newest is None else newest.sequence)
        _COMPARED.set_to_current_time()
        return 0

    def _found(self, problem: str | None) -> None:
        _BROKEN.set(0 if problem is None else 1)
        self._show(problem)
        if problem is not None and problem != self._problem:
            log.error("audit contradicts its witness", problem=problem)
        if problem is None and self._problem is not None:
            log.info("audit agrees with its witness again")
        self._problem = problem
