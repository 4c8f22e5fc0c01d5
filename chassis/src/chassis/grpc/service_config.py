"""How gRPC spreads and repeats calls, from what the protos declare."""

from collections.abc import Iterable
from typing import Any

from chassis.grpc.policy import Policy

_ATTEMPTS_MAX = 3


def service_config(policies: Iterable[Policy]) -> dict[str, Any]:
    """Returns gRPC's service config: every pod that is serving in turn, retries only where they do no harm.

    A pod that stops says NOT_SERVING first: what reaches gRPC in the moment of a stop is cancelled unseen.
    The throttle stops retries when more than a few in a hundred calls fail, so that a
    service that is down is not called three times as often.
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
