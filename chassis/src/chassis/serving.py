"""Serves: logs, metrics, traces and the operations port around a service's own start function."""

import asyncio
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import NoReturn, TypeVar

from chassis import lifecycle, logs, metrics, tls
from chassis.clock_check import CHECK, check_clock
from chassis.http.operations import open_operations
from chassis.lifecycle import Lifecycle
from chassis.settings import GrpcServiceSettings, ServiceSettings, secret_names
from chassis.startup_errors import StartupRefused
from chassis.tracing import traces

Settings = TypeVar("Settings", bound=ServiceSettings)


def serve(
    name: str,
    settings: Settings,
    start: Callable[[Lifecycle, Settings], Awaitable[object]],
    *,
    release: str | None = None,
) -> NoReturn:
    """Serves until SIGTERM or SIGINT.

    Args:
        name: The service's name.
        settings: Its settings.
        start: Its start function.
        release: The version that it reports; by default that of its distribution.

    Raises:
        SystemExit: always, with the exit status of `chassis.lifecycle.run`.
    """
    logs.configure(
        name,
        log_format=settings.log_format,
        level=settings.log_level,
        secret_names=secret_names(type(settings)),
    )

    if settings.otel_exporter_otlp_endpoint:
        # What it leaves out is left out only until `lifecycle.run`.
        import chassis.tracing.recorder  # noqa: F401, PLC0415

    async def begin(running: Lifecycle) -> None:
        try:
            tls.check_default_authorities(settings.ssl_cert_file)
        except OSError as error:
            raise StartupRefused(error.strerror) from error
        running.readiness.expect(CHECK)
        await _open_operations(running, settings, name, release or version(f"vestibule-{name}"))
        redis_url = settings.redis_url_with_authorities
        may_begin = asyncio.Event()
        running.begin("clock", check_clock(running.readiness, may_begin, redis_url, client_name=name))
        # With a wrong clock it would put good events aside as dead letters, and miss revocations.
        running.held_until = may_begin
        await start(running, settings)
        if running.held_until is not None:
            raise RuntimeError("the start has not awaited `may_begin`")

    lifecycle.run(
        name,
        begin,
        grace_seconds=settings.shutdown_grace_seconds,
        linger_seconds=settings.shutdown_linger_seconds,
        debug=settings.log_level == "debug",
    )


async def _open_operations(running: Lifecycle, settings: ServiceSettings, name: str, release: str) -> None:
    """Opens what operators look at: metrics, traces, and the port of /metrics, /health and /ready.

    Settings without that port are the gateway's, which answers the three on its own.
    """
    metrics.set_build_info(service=name, version=release, revision=settings.revision)
    await running.enter(traces.tracing(settings, service=name, version=release))
    if isinstance(settings, GrpcServiceSettings):
        await running.enter(
            open_operations(
                running.readiness,
                service=name,
                version=release,
                host=settings.http_host,
                port=settings.http_port,
            )
        )
    await running.enter(metrics.sampling_event_loop())
