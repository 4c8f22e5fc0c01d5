"""Sign-ins by clients in processes of their own, half of them at each gateway.

The wires and the crowd share this process; a flood made here would take from the wires what it is to
take from the system.
"""

import json
from typing import Any

from devstack.stack import Stack

from bench.flood import client, said
from tests.system.client import PASSWORD

SECONDS = 8.0
_CONNECTIONS = 4
_FLOODING_CONNECTIONS = 50
_NICENESS = 10
"""Floods are made elsewhere: the clients give way to the system."""


def peak(stack: Stack) -> float:
    """Returns how many sign-ins a second succeed when a few clients ask as soon as they are answered."""
    return _succeed(stack, f"--connections={_CONNECTIONS}")


def goodput(stack: Stack, *, rate: float) -> float:
    """Returns how many sign-ins a second succeed when so many a second are tried, come what may."""
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
