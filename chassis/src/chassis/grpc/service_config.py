"""gRPC's service config: load balancing and retries, from the policies."""

from collections.abc import Iterable
from typing import Any

from chassis.grpc.policy import Policy

_ATTEMPTS_MAX = 3


def service_config(policies: Iterable[Policy]) -> dict[str, Any]:
    """Returns the config: round robin over serving pods, retries only of idempotent calls.

    A stopping pod reports NOT_SERVING first, because gRPC cancels calls that arrive during a stop. The
    throttle stops retries when more than a few percent of calls fail, so that a failing service is not called
    three times as often.
    """
    repeatable = [
        {"service": policy.descriptor.containing_service.full_name, "method": policy.descriptor.name}
        for policy in policies
        if policy.repeatable
    ]
    config: dict[str, Any] = {
        "loadBalancingConfig": [{"round_robin": {}}],
        "healthCheckConfig": {"serviceName": ""},
    }
    if repeatable:
        retry = {
            "maxAttempts": _ATTEMPTS_MAX,
            "initialBackoff": "0.05s",
            "maxBackoff": "0.5s",
            "backoffMultiplier": 2,
            "retryableStatusCodes": ["UNAVAILABLE"],
        }
        config["methodConfig"] = [{"name": repeatable, "retryPolicy": retry}]
        config["retryThrottling"] = {"maxTokens": 20, "tokenRatio": 0.1}
    return config
