"""Runs user-service, or one of its commands."""

if __name__ == "__main__":
    from chassis import fast_imports

    fast_imports.begin()

import sys

from chassis.service import Schema, Service, Start

from user_service.settings import UsersSettings


def _start() -> Start[UsersSettings]:
    from user_service.wiring import start  # noqa: PLC0415 - commands do without

    return start


service = Service(
    "user-service",
    UsersSettings,
    _start,
    schema=Schema("users", extensions=("pg_trgm",)),
    handles_events=True,
)

if __name__ == "__main__":
    service.main(sys.argv[1:])
