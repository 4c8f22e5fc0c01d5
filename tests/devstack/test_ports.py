"""Free ports of the loopback interface."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from devstack.ports import choose_ports, free_port, reserve
from devstack.settings import Settings
from devstack.topology import AUTH

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def test_another_port_with_each_call() -> None:
    """Two calls return different ports, although nothing listens on the first one yet."""
    ports = [free_port() for _ in range(50)]

    assert len(set(ports)) == len(ports)


@pytest.mark.skipif(not _RANGE.exists(), reason="only Linux publishes its range of ports")
def test_outgoing_connections_do_not_take_it() -> None:
    """The system does not give the port to an outgoing connection before the program starts."""
    first, last = map(int, _RANGE.read_text().split())

    assert not first <= free_port() <= last


def test_another_process_chooses_other_ports() -> None:
    """Also before anything listens on them."""
    ports = [free_port() for _ in range(20)]
    script = f"from devstack.ports import reserve; print([reserve(port) for port in {ports}])"
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout

    assert said.strip() == str([False] * 20)
    assert all(reserve(port) for port in ports)


def test_what_is_listened_on_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port in use is skipped."""
    taken, free = free_port(), free_port()
    monkeypatch.setattr("devstack.ports._ports", iter([taken, free]))
    with socket.create_server(("127.0.0.1", taken)):
        assert free_port() == free


def test_usual_ports_unless_one_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service listens where its documentation says, or on any free port when that one is in use."""
    monkeypatch.setattr("devstack.ports.is_free", lambda port: port != AUTH.http_port)
    (ports,) = choose_ports(Settings.read({}), {}, free_ports=False)[AUTH.name]

    assert ports.grpc == AUTH.grpc_port
    assert ports.http != AUTH.http_port
