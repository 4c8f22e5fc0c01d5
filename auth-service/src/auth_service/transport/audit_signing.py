"""The job that signs the head of the audit chain, and reports a broken chain by metric and log."""

import structlog
from prometheus_client import Gauge

from auth_service.domain.errors import ChainBroken
from auth_service.usecases.audit_heads import SignAuditHead

log = structlog.get_logger()

_BROKEN = Gauge("auth_audit_chain_broken", "1 while the audit chain is not what was signed.")
_SIGNED = Gauge("auth_audit_signed_sequence", "Place of the last entry whose head this process signed.")
_LOOKED = Gauge(
    "auth_audit_head_signed_timestamp_seconds",
    "Unix time at which the last entry of the audit chain was last known to be under a signed head.",
)


class AuditSigning:
    """Signs, and logs each head: a copy of the log elsewhere is evidence to compare with."""

    def __init__(self, sign: SignAuditHead) -> None:
        self._sign = sign

    async def __call__(self) -> int:
        """Returns how many heads were signed.

        Raises:
            Unavailable: there is no key yet, or Postgres is unreachable.
        """
        try:
            head = await self._sign()
        except ChainBroken as error:
            _BROKEN.set(1)
            log.exception("audit chain broken", problem=error.details["problem"])
            return 0
        _BROKEN.set(0)
        _LOOKED.set_to_current_time()
        if head is None:
            return 0
        _SIGNED.set(head.sequence)
        log.info("audit head signed", sequence=head.sequence, hash=head.hash.hex(), kid=head.kid)
        return 1
