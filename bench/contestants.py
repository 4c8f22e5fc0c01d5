"""The whole system with everything on, and the contestants beside it, each as a process."""

import json
import os
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devstack.stack import Stack

from bench import envoy, proof
from bench.pace import Pace
from bench.processes import pin
from devstack import ports, program

ROOT = Path(__file__).parents[1]
ADMIN = {"email": "admin@vestibule.test", "password": "marble-otter-sunday-lamp"}

ASGI, STARLETTE, ENVOY = "bare ASGI", "Starlette + grpc.aio", "Envoy"
CACHED, CACHED_READ, UNCACHED = "gateway, cached", "gateway, cached, no repeat", "gateway, uncached"
BARE_SERVICE = "Starlette + grpc.aio, bare servicer"

_UNSAMPLED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"

EDGE = "edge"
"""The process in front."""

SERVICE = "service"
"""The process behind it that takes the calls."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """A process that answers the measured request.

    Attributes:
        name: As the table has it.
        url: What is asked for.
        pid: The process in front.
        service_pid: The service that it calls, in place of user-service.
        headers: Further headers of the request.
    """

    name: str
    url: str
    pid: int
    service_pid: int | None = None
    headers: tuple[str, ...] = ()

    def watched(self, behind: dict[str, int]) -> dict[str, int]:
        """Returns the processes whose cost is measured, by name."""
        service = {} if self.service_pid is None else {SERVICE: self.service_pid}
        return {EDGE: self.pid, **behind, **service}


@dataclass(frozen=True, slots=True)
class Comparison:
    """The system and what it is compared with.

    Attributes:
        stack: The system.
        contestants: In the order of the rounds.
        pace: Of the core in front.
        pace_behind: Of the core of everything else.
        idle_percent: Of a core, what each service takes while nothing is asked, if it was measured. It has a
            limit of its own, and is no cost of a request.
    """

    stack: Stack
    contestants: list[Contestant]
    pace: Pace
    pace_behind: Pace
    idle_percent: dict[str, float] = field(default_factory=dict)

    def sign_in(self) -> str:
        """Returns a fresh access token."""
        body = json.dumps(ADMIN).encode()
        token: str = ask(f"{self.stack.base_url}/api/auth/login", body=body)["data"]["access_token"]
        return token

    def idle_seconds(self, pid: int, seconds: float) -> float:
        """Returns the processor time that a process takes in that time whatever is asked."""
        names = (name for name, service in self.stack.services.items() if service.pid == pid)
        return self.idle_percent.get(next(names, ""), 0.0) / 100 * seconds

    def behind(self) -> dict[str, int]:
        """Returns the processes behind all contestants, by name."""
        assert self.stack.postgres is not None
        assert self.stack.valkey is not None
        found = {
            SERVICE: self.stack.services["user-service"].pid,
            "Postgres": self.stack.postgres.pid,
            "Valkey": self.stack.valkey.pid,
        }
        return {name: pid for name, pid in found.items() if pid is not None}


def ask(url: str, *, token: str = "", body: bytes | None = None) -> Any:
    """Asks for JSON, with a POST when there is a body."""
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=20) as response:
        return json.load(response)


@contextmanager
def beside(stack: Stack, folder: Path, collector: str) -> Iterator[Comparison]:
    """Runs the contestants beside a running system, which takes part as it is."""
    with ExitStack() as running:
        in_front = running.enter_context(Pace.kept(folder / "pace.log"))
        behind = running.enter_context(Pace.kept(folder / "pace-behind.log"))
        comparison = Comparison(stack, [], in_front, behind)
        comparison.contestants.extend(_contestants(comparison, folder, collector, running))
        yield comparison


@contextmanager
def opened(folder: Path) -> Iterator[Comparison]:
    """Runs everything; the contestants have a core to themselves where there are two."""
    cores = sorted(os.sched_getaffinity(0))
    with ExitStack() as running:
        collector = f"127.0.0.1:{ports.free_port()}"
        running.enter_context(_python(folder, "bench.collector", collector.rpartition(":")[2]))
        environment = {
            "PATH": os.environ["PATH"],
            "LOG_FORMAT": "json",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{collector}",
            "TRACE_RATIO": "0.01",
            "GATEWAY_RATE_LIMITS": "off",
            "BOOTSTRAP_ADMIN_EMAIL": ADMIN["email"],
            "BOOTSTRAP_ADMIN_PASSWORD": ADMIN["password"],
        }
        stack = running.enter_context(Stack(folder / "data", environment))
        comparison = running.enter_context(beside(stack, folder, collector))
        for process in (
            *comparison.behind().values(),
            *(one.pid for one in stack.services.values() if one.pid),
            *(each.service_pid for each in comparison.contestants if each.service_pid),
            comparison.pace_behind.pid,
        ):
            pin(process, cores[-1:])
        for pid in (comparison.pace.pid, *(contestant.pid for contestant in comparison.contestants)):
            pin(pid, cores[:1])
        pin(os.getpid(), cores[-1:])
        try:
            yield comparison
        finally:
            pin(os.getpid(), cores)


def _contestants(
    comparison: Comparison, folder: Path, collector: str, running: ExitStack
) -> Iterator[Contestant]:
    base, token = comparison.stack.base_url, comparison.sign_in()
    gateway, users = comparison.stack.services["gateway"].pid, comparison.stack.services["user-service"].grpc
    assert gateway is not None
    assert users is not None
    me = ask(f"{base}/api/users/me", token=token)
    path = f"/api/users/{me['data']['id']}"
    port = ports.free_port()
    bare = asgi_process(folder, "bench.bare_asgi", port, {"BODY": json.dumps(me, separators=(",", ":"))})
    yield Contestant(ASGI, f"http://127.0.0.1:{port}/", running.enter_context(bare))
    key_file = comparison.stack.plan.key_pairs.private_key(proof.GATEWAY)
    servicer_port = ports.free_port()
    servicer = running.enter_context(_servicer(folder, servicer_port, comparison.stack))
    for name, address, pid in (
        (STARLETTE, users, None),
        (BARE_SERVICE, f"127.0.0.1:{servicer_port}", servicer),
    ):
        port = ports.free_port()
        given = {"USERS_ADDRESS": address, "SERVICE_KEY_FILE": str(key_file)}
        starlette = running.enter_context(asgi_process(folder, "bench.bare_starlette", port, given))
        yield Contestant(name, f"http://127.0.0.1:{port}{path}", starlette, pid)
    proxy = envoy.binary()
    if proxy is not None:
        port = ports.free_port()
        running.enter_context(proof.kept_fresh(key_file, folder / "proof.json"))
        issuer = {"issuer": base, "jwks": ask(f"{base}/.well-known/jwks.json")}
        settings = envoy.write(folder, port=port, users=users, collector=collector, **issuer)
        options = ["--concurrency", "1", "--disable-hot-restart", "-l", "warn"]
        process = _process(folder, "envoy", [str(proxy), "-c", str(settings), *options], port)
        yield Contestant(ENVOY, f"http://127.0.0.1:{port}{path}", running.enter_context(process))
    yield Contestant(CACHED, f"{base}/api/users/me", gateway)
    # Heads with a trace are read each time, as if each were the first of its client.
    yield Contestant(CACHED_READ, f"{base}/api/users/me", gateway, headers=(f"traceparent: {_UNSAMPLED}",))
    yield Contestant(UNCACHED, f"{base}{path}", gateway)


def asgi_process(folder: Path, module: str, port: int, environment: dict[str, str]) -> Any:
    """Runs an ASGI app of `bench` under uvicorn during the block, on a port; yields the process' id."""
    options = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    command = [sys.executable, "-m", "uvicorn", f"{module}:app", "--port", str(port), *options]
    return _process(folder, module, command, port, environment)


def _servicer(folder: Path, port: int, stack: Stack) -> Any:
    database = {"POSTGRES_URL": stack.services["user-service"].environment["USERS_POSTGRES_URL"]}
    command = [sys.executable, "-m", "bench.bare_servicer", f"127.0.0.1:{port}"]
    return _process(folder, "bench.bare_servicer", command, port, database)


def _python(folder: Path, module: str, port: str) -> Any:
    return _process(folder, module, [sys.executable, "-m", module, port], int(port))


@contextmanager
def _process(
    folder: Path, name: str, command: list[str], port: int, environment: dict[str, str] | None = None
) -> Iterator[int]:
    log = folder / f"{name}-{port}.log"
    given = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **(environment or {})}
    process = program.spawn(command, log=log, signal="KILL", environment=given)
    try:
        program.wait_until(lambda: program.listens(port), process, name, log)
        yield process.pid
    finally:
        process.kill()
        process.wait()
