"""Allocates the ports that the processes of a stack listen on."""

import fcntl
import itertools
import os
import secrets
import socket
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from devstack.plan import Ports
from devstack.program import ProgramError
from devstack.settings import Settings
from devstack.topology import GATEWAY

_FREE_PORTS = range(20_000, 30_000)
"""Below those that systems give to outgoing connections: such a one could take a port between our choice
and the program's start. A port chosen by the system (`bind` to 0) is one of them."""

_ports = itertools.cycle(secrets.SystemRandom().sample(_FREE_PORTS, len(_FREE_PORTS)))


def free_port() -> int:
    """Returns a free port of the loopback interface, another one with each call and in each process."""
    return next(port for port in _ports if reserve(port) and is_free(port))


def reserve(port: int) -> bool:
    """Reserves a port among the processes that ask, until this one ends; returns whether it could.

    Otherwise two of them could choose a port before either listens on it.
    """
    try:
        fcntl.lockf(_reservations(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


@cache
def _reservations() -> int:
    """Returns the descriptor of a file of which each process locks the bytes at its ports, until it ends."""
    path = Path(tempfile.gettempdir()) / f"vestibule-ports-{os.getuid()}"
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Says whether a port can be listened on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
        return True


def choose_ports(
    settings: Settings, instances: Mapping[str, int], *, free_ports: bool
) -> dict[str, list[Ports]]:
    """Returns the ports of each process of a service, by the service's name.

    Args:
        settings: May name some.
        instances: How many processes of a service there are; one where it is not named.
        free_ports: Take any free port where none is named; otherwise the default one if it is free.

    Raises:
        ProgramError: A port that was named is in use.
    """
    ports: dict[str, list[Ports]] = {}
    for service in settings.services:
        if service is GATEWAY:
            port = settings.gateway_port or free_port()
            if not is_free(port):
                raise ProgramError(_in_use("GATEWAY_PORT", port))
            ports[service.name] = [Ports(port)]
        else:
            assert service.grpc_port is not None  # noqa: S101 only the gateway has none
            usual = (service.http_port, service.grpc_port)
            http, grpc = (
                _choose(settings, f"{service.prefix}_{kind}_PORT", 0 if free_ports else port)
                for kind, port in zip(("HTTP", "GRPC"), usual, strict=True)
            )
            ports[service.name] = [Ports(http, grpc)]
        for _ in range(1, instances.get(service.name, 1)):
            grpc_port = None if service is GATEWAY else free_port()
            ports[service.name].append(Ports(free_port(), grpc_port))
    return ports


def _choose(settings: Settings, setting: str, usual: int) -> int:
    asked = settings.port(setting)
    if asked:
        if not is_free(asked):
            raise ProgramError(_in_use(setting, asked))
        return asked
    return usual if usual and is_free(usual) else free_port()


def _in_use(setting: str, port: int) -> str:
    return f"{setting}: port {port} is in use; set another one, or stop the program that listens there"
