"""Ports of the loopback interface, before anything listens on them."""

import socket
from pathlib import Path

import pytest
from devstack.program import free_port

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def test_another_port_with_each_call() -> None:
    """Nobody listens between the choice of one and that of the next."""
    ports = [free_port() for _ in range(50)]

    assert len(set(ports)) == len(ports)


@pytest.mark.skipif(not _RANGE.exists(), reason="only Linux tells its range of ports")
def test_outgoing_connections_do_not_take_it() -> None:
    """A program starts seconds after its port was chosen."""
    first, last = map(int, _RANGE.read_text().split())

    assert not first <= free_port() <= last


def test_what_is_listened_on_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one is."""
    taken, free = free_port(), free_port()
    monkeypatch.setattr("devstack.program._ports", iter([taken, free]))
    with socket.create_server(("127.0.0.1", taken)):
        assert free_port() == free
