"""Checks Nextcloud by its `status.php`."""

import json
import ssl
from typing import Any

from chassis.http.client import Response

from health_aggregator.adapters import findings
from health_aggregator.adapters.http_check import HttpCheck, evaluate_status
from health_aggregator.domain.check import CheckResult


def nextcloud_check(url: str, tls: ssl.SSLContext | None = None) -> HttpCheck:
    """Returns the check of a Nextcloud: maintenance and a pending upgrade are degraded, not down.

    Args:
        url: URL of Nextcloud, with or without `/status.php`.
        tls: How to verify the server.
    """
    base = url.rstrip("/")
    return HttpCheck(base if base.endswith("/status.php") else f"{base}/status.php", _evaluate, tls)


def _evaluate(answer: Response, started: float) -> CheckResult:
    facts = _facts(bytes(answer.body))
    # In maintenance, old releases of Nextcloud send 503 here too.
    if facts is not None and facts.get("maintenance") is True:
        return findings.degraded(started, "is in maintenance mode")
    by_status = evaluate_status(answer, started)
    if not by_status.success:
        return by_status
    if facts is None:
        return findings.down(started, "does not answer as Nextcloud does")
    if facts["installed"] is not True:
        return findings.down(started, "is not installed yet")
    upgrade = facts.get("needsDbUpgrade") is True
    if upgrade or not isinstance(facts.get("version"), str):
        words = "waits for an upgrade of its database" if upgrade else "does not report its version"
        return findings.degraded(started, words)
    return findings.up(started)


def _facts(body: bytes) -> dict[str, Any] | None:
    try:
        facts = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return facts if isinstance(facts, dict) and "installed" in facts else None
