"""Old pods serve for as long as a cached DNS answer may name them."""

import subprocess
import time

import pytest
from devstack.topology import BY_NAME

from tests.cluster.conftest import NAMESPACE, kubectl, note, pods, settle

pytestmark = pytest.mark.usefixtures("release")

CACHED_SECONDS_MAX = 35
"""Within this time a resolver fetches an answer that it may keep for its whole time."""

LONGEST_TTL = """
import secrets, socket, struct, sys, time
server = next(line.split()[1] for line in open("/etc/resolv.conf") if line.startswith("nameserver"))
name, until, longest = sys.argv[1], time.monotonic() + float(sys.argv[2]), 0
asked = b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + bytes([0, 0, 1, 0, 1])
while time.monotonic() < until:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.settimeout(5)
        wire.sendto(secrets.token_bytes(2) + struct.pack(">HHHHH", 0x0100, 1, 0, 0, 0) + asked, (server, 53))
        answer = wire.recv(4096)
    longest = max(longest, struct.unpack(">I", answer[12 + len(asked) + 6:][:4])[0])
    time.sleep(0.25)
print(longest)
"""
"""Asks the cluster's DNS for a headless Service and prints the longest time for which it may be kept."""

SERVED_UNTIL = """
import socket, sys, time
address, began = (sys.argv[1], int(sys.argv[2])), time.monotonic()
while time.monotonic() - began < 120:
    try:
        socket.create_connection(address, timeout=2).close()
    except OSError:
        break
    time.sleep(0.1)
print(time.monotonic() - began)
"""
"""Connects until the port is closed, and prints after how many seconds that was."""


def in_gateway(script: str, *arguments: str) -> str:
    """Runs a script in a pod of the gateway, which may call auth-service."""
    return kubectl("exec", "deployment/vestibule-gateway", "--", "python", "-c", script, *arguments)


def test_old_pods_outlive_the_answers_that_name_them() -> None:
    """DNS may have answered just before the pod was deleted. Two seconds are for the news to reach it."""
    name = f"vestibule-auth-service.{NAMESPACE}.svc.cluster.local"
    ttl = int(in_gateway(LONGEST_TTL, name, str(CACHED_SECONDS_MAX)))
    pod = pods("auth-service")[0]
    port = str(BY_NAME["auth-service"].grpc_port)
    with subprocess.Popen(
        [
            "kubectl", "--namespace", NAMESPACE, "exec", "deployment/vestibule-gateway", "--",
            "python", "-c", SERVED_UNTIL, pod["status"]["podIP"], port,
        ],
        stdout=subprocess.PIPE, text=True,
    ) as listening:  # fmt: skip
        began = time.monotonic()
        kubectl("delete", "pod", pod["metadata"]["name"], "--wait=false")
        asked_seconds = time.monotonic() - began
        served_seconds = float(listening.communicate()[0]) - asked_seconds
    settle()

    note("DNS", f"answers may be kept for {ttl} s; a deleted pod served for {served_seconds:.1f} s")
    assert served_seconds >= ttl + 2
