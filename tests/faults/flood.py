"""Sign-ins by clients in processes of their own, half of them at each gateway.

The proxies and the concurrent users run in this process; a flood from here would slow them down
instead of the system.
"""

import json
from typing import Any

from devstack.stack import Stack

from bench.flood_clients import client, said
from tests.system.client import PASSWORD

SECONDS = 8.0
_CONNECTIONS = 4
_FLOODING_CONNECTIONS = 50
_NICENESS = 10
"""The clients have a lower priority than the system."""


def peak(stack: Stack) -> float:
    """Returns the successful sign-ins per second of a few clients without pauses."""
    return _succeed(stack, f"--connections={_CONNECTIONS}")


def goodput(stack: Stack, *, rate: float) -> float:
    """Returns the successful sign-ins per second when `rate` sign-ins per second are tried."""
    share = rate / len(stack.base_urls)
    return _succeed(stack, f"--rate={share}", f"--connections={_FLOODING_CONNECTIONS}")


def _succeed(stack: Stack, *load: str) -> float:
    email, password = stack.admin[0], stack.admin[1] or PASSWORD
    body = json.dumps({"email": email, "password": password})
    clients = [
        client(f"{url}/api/auth/login", SECONDS, f"--body={body}", *load, niceness=_NICENESS)
        for url in stack.base_urls
    ]
    found: list[dict[str, Any]] = [said(each) for each in clients]
    return float(sum(each["statuses"].get("200", 0) for each in found)) / SECONDS
