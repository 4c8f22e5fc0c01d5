"""Makes the check of a target by its kind; heavy clients are loaded only when a target needs them."""

from collections.abc import Callable

from health_aggregator.adapters.grpc_check import GrpcCheck
from health_aggregator.adapters.http_check import HttpCheck
from health_aggregator.adapters.postgres.postgres_check import PostgresCheck
from health_aggregator.adapters.redis_check import RedisCheck
from health_aggregator.domain.ports import Check
from health_aggregator.domain.target import Target


def make_check(target: Target, wake: Callable[[], None]) -> Check:
    """Returns the check for a target.

    Raises:
        ValueError: there is no check of that kind.
    """
    options = target.options
    match target.kind:
        case "grpc":
            return GrpcCheck(options["address"], options.get("service", ""), wake)
        case "http":
            return HttpCheck(options["url"])
        case "postgres":
            return PostgresCheck(options["url"], wake)
        case "redis":
            return RedisCheck(options["url"])
        case kind:
            raise ValueError(f"no check of kind {kind}")
