"""Runs the health aggregator, or one of its commands."""

if __name__ == "__main__":
    from chassis import fast_imports

    fast_imports.begin()

import sys

from chassis.service import Schema, Service, Start

from health_aggregator.settings import HealthSettings


def _start() -> Start[HealthSettings]:
    from health_aggregator.wiring import start  # noqa: PLC0415 - commands do without

    return start


service = Service("health-aggregator", HealthSettings, _start, schema=Schema("health"))

if __name__ == "__main__":
    service.main(sys.argv[1:])
