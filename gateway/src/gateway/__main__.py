"""`python -m gateway`: settings, wiring, run."""

if __name__ == "__main__":
    from chassis import boot

    boot.quick()

from chassis.lifecycle import Lifecycle, run
from chassis.settings import load, secret_names

from chassis import logs, metrics, traces
from gateway.http.envelope import VERSION
from gateway.settings import GatewaySettings
from gateway.wiring import SERVICE, start


def main() -> None:
    """Serves until told to stop."""
    settings = load(GatewaySettings)
    logs.configure(
        SERVICE,
        log_format=settings.log_format,
        level=settings.log_level,
        secret_names=secret_names(GatewaySettings),
    )
    metrics.set_build_info(service=SERVICE, version=VERSION, revision=settings.revision)

    async def begin(lifecycle: Lifecycle) -> None:
        await lifecycle.enter(traces.tracing(settings, service=SERVICE, version=VERSION))
        await lifecycle.enter(metrics.sampling_event_loop())
        await start(lifecycle, settings)

    run(
        SERVICE,
        begin,
        grace_seconds=settings.shutdown_grace_seconds,
        linger_seconds=settings.shutdown_linger_seconds,
    )


if __name__ == "__main__":
    main()
