"""Runs auth-service, or one of its commands."""

if __name__ == "__main__":
    from chassis import fast_imports

    fast_imports.begin()

import sys

from chassis.service import Schema, Service, Start

from auth_service.settings import AuthSettings


def _start() -> Start[AuthSettings]:
    from auth_service.wiring.serving import start  # noqa: PLC0415 - commands do without

    return start


service = Service(
    "auth-service",
    AuthSettings,
    _start,
    schema=Schema("auth"),
    handles_events=True,
)

if __name__ == "__main__":
    service.main(sys.argv[1:])
