"""Serves; with the argument `migrate`, brings the schema `health` up to date instead."""

from functools import partial

from chassis.settings import load, secret_names

from chassis import lifecycle, logs
from health_aggregator.settings import HealthSettings
from health_aggregator.wiring import serve


def main() -> None:
    """Runs the service until it is told to stop."""
    settings = load(HealthSettings)
    logs.configure(
        "health-aggregator",
        log_format=settings.log_format,
        level=settings.log_level,
        secret_names=secret_names(HealthSettings),
    )
    lifecycle.run(
        "health-aggregator", partial(serve, settings), grace_seconds=settings.shutdown_grace_seconds
    )


if __name__ == "__main__":
    main()
