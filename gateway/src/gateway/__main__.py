"""Runs the gateway."""

if __name__ == "__main__":
    from chassis import fast_imports

    fast_imports.begin()

import sys

from chassis.service import Service, Start

from gateway.http.envelope import VERSION
from gateway.settings import GatewaySettings


def _start() -> Start[GatewaySettings]:
    from gateway.wiring import start  # noqa: PLC0415 - commands do without

    return start


service = Service("gateway", GatewaySettings, _start, release=VERSION)

if __name__ == "__main__":
    service.main(sys.argv[1:])
