"""Creates the check of a target by its kind; large clients are imported only when needed."""

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chassis.clock import Clock

from health_aggregator.adapters.http_check import HttpCheck
from health_aggregator.adapters.nextcloud_check import nextcloud_check
from health_aggregator.adapters.slow_answers import SlowAnswers
from health_aggregator.adapters.tls_check import WARN_DAYS, TlsCheck
from health_aggregator.domain.check import Check
from health_aggregator.domain.target import Target


class CheckFactory:
    """`CheckFactory` for every kind.

    Args:
        clock: For checks that compare dates.
        cluster: Returns the cluster of `kubernetes` targets; called when one is first needed.
    """

    def __init__(self, clock: Clock, cluster: Callable[[], Any]) -> None:
        self._clock = clock
        self._cluster = cluster

    def __call__(self, target: Target, wake: Callable[[], None]) -> Check:  # noqa: PLR0911 a table
        """Returns the check for a target.

        Raises:
            ValueError: unknown kind.
        """
        options = target.options
        match target.kind:
            case "grpc":
                return _grpc(target, wake)
            case "http":
                end = wake if target.checked_together else None
                return HttpCheck(options["url"], tls=_tls(options), wake=end)
            case "postgres":
                from health_aggregator.adapters.postgres.postgres_check import PostgresCheck  # noqa: PLC0415

                return SlowAnswers(PostgresCheck(options["url"], wake))
            case "redis":
                from health_aggregator.adapters.redis_check import RedisCheck  # noqa: PLC0415

                return SlowAnswers(RedisCheck(options["url"], wake))
            case "qdrant":
                from health_aggregator.adapters.qdrant_check import QdrantCheck  # noqa: PLC0415

                return QdrantCheck(options["url"], options.get("api_key"), options.get("collections", ()))
            case "nextcloud":
                return nextcloud_check(options["url"], _tls(options))
            case "tls":
                return TlsCheck(
                    options["address"],
                    self._clock,
                    options.get("server_name"),
                    options.get("warn_days", WARN_DAYS),
                    _tls(options),
                )
            case "kubernetes":
                from health_aggregator.adapters.kubernetes.kubernetes_check import (  # noqa: PLC0415
                    KubernetesCheck,
                )

                return KubernetesCheck(
                    self._cluster(),
                    options["selector"],
                    wanted=options.get("wanted"),
                    service=options.get("service"),
                    wake=wake,
                    clock=self._clock,
                )
            case kind:
                raise ValueError(f"no check of kind {kind}")


def _grpc(target: Target, wake: Callable[[], None]) -> Check:
    import grpc  # noqa: PLC0415

    from health_aggregator.adapters.grpc_check import GrpcCheck  # noqa: PLC0415

    options = target.options
    credentials = None
    if options.get("tls") or options.get("ca_file"):
        authorities = Path(options["ca_file"]).read_bytes() if options.get("ca_file") else None
        credentials = grpc.ssl_channel_credentials(authorities)
    return GrpcCheck(options["address"], options.get("service", ""), wake, credentials)


def _tls(options: Any) -> ssl.SSLContext | None:
    return ssl.create_default_context(cafile=options["ca_file"]) if options.get("ca_file") else None
