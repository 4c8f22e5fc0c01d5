"""Checks a TLS server's certificate: trusted, for the right name, and not about to expire."""

import asyncio
import ssl
import time
from datetime import UTC, datetime

from chassis.clock import Clock
from chassis.tls import default_context

from health_aggregator.adapters import findings
from health_aggregator.domain.check import CheckResult

WARN_DAYS = 14.0
_DAY_SECONDS = 86400


class TlsCheck:
    """Makes a handshake and reads the expiry date.

    Args:
        address: `host:port`.
        clock: Compared with the expiry date.
        server_name: Required name of the certificate; the host by default.
        warn_days: Degraded when it expires within this many days.
        tls: How to verify the server; by default with the system's authorities.
    """

    def __init__(
        self,
        address: str,
        clock: Clock,
        server_name: str | None = None,
        warn_days: float = WARN_DAYS,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._host, _, port = address.rpartition(":")
        self._port = int(port)
        self._clock = clock
        self._server_name = server_name or self._host.strip("[]")
        self._warn_days = warn_days
        self._tls = tls or default_context()

    async def __call__(self, timeout_seconds: float) -> CheckResult:  # noqa: ARG002 the caller enforces it
        """Checks once."""
        started = time.monotonic()
        address = f"{self._host}:{self._port}"
        try:
            _, writer = await asyncio.open_connection(
                self._host.strip("[]"), self._port, ssl=self._tls, server_hostname=self._server_name
            )
        except OSError as error:
            return findings.unconnected(started, error, address)
        try:
            return self._evaluate(writer.get_extra_info("peercert"), started)
        finally:
            writer.transport.abort()

    async def close(self) -> None:
        """Does nothing: no connection outlives a check."""

    def _evaluate(self, certificate: dict[str, str], started: float) -> CheckResult:
        expires = datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)
        days = (expires - self._clock.now()).total_seconds() / _DAY_SECONDS
        if days <= 0:
            return findings.down(started, "its certificate has expired")
        if days < self._warn_days:
            return findings.degraded(started, f"its certificate expires in {days:.0f} days")
        return findings.up(started)
