"""The whole system on one machine: real Postgres, real Valkey, and every service as a process.

    with Stack(folder, {"GATEWAY_RATE_LIMITS": "off"}, instances={"gateway": 2}) as stack:
        httpx.get(f"{stack.base_url}/health")
        stack.kill("auth-service")

Nothing here belongs to an event loop: it may be used within one and without.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from devstack import backing
from devstack.database import Database
from devstack.keys import KeyPairs, Keys
from devstack.lock import lock
from devstack.plan import KEYS_FOLDER, REDIS_FILE, TOPOLOGY_FILE, Plan, Ports, Route, instance_names, straight
from devstack.ports import choose_ports, free_port
from devstack.postgres import Postgres
from devstack.program import ProgramError
from devstack.redis_acl import kept_passwords
from devstack.release import Release
from devstack.service import ServiceProcess
from devstack.settings import Settings
from devstack.topology import AUTH, GATEWAY, SERVICES, Service
from devstack.topology_file import write_topology
from devstack.valkey import Valkey

Report = Callable[[str, float], None]
"""Receives what was done and how many seconds it took."""


def _silent(done: str, seconds: float) -> None:
    del done, seconds


class Stack:
    """A running system; every part may be stopped, killed, paused and started by its name.

    Names are those of the health components: the services, `postgres` and `redis`; further
    processes of a service are `gateway-2` and so on.

    Args:
        folder: Where everything is kept.
        environment: What `make up` would find in its environment.
        instances: How many processes of a service to run, by its name; one where it is not named.
        overrides: Further settings of single processes, by name.
        free_ports: Take any free port where none is named; otherwise the default one if it is free.
        postgres_settings: Settings of the embedded Postgres.
        release: Whose programs and schemas it starts with.
        route: Leads each process to each other, such as through a proxy that makes trouble.
        report: Hears of progress.

    Attributes:
        postgres: The embedded Postgres; None with `POSTGRES_URL`.
        valkey: The embedded Valkey; None with `REDIS_URL`.
        services: Every process of a service, by its name, in the order in which they start.
    """

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        *,
        instances: Mapping[str, int] | None = None,
        overrides: Mapping[str, Mapping[str, str]] | None = None,
        free_ports: bool = True,
        postgres_settings: Mapping[str, str] | None = None,
        release: Release | None = None,
        route: Route = straight,
        report: Report = _silent,
    ) -> None:
        self.folder = folder.absolute()
        default_port = {"GATEWAY_PORT": "0"} if free_ports else {}
        self.settings = Settings.read({**default_port, **environment, "DATA_DIR": str(self.folder)})
        self.services: dict[str, ServiceProcess] = {}
        self.postgres: Postgres | None = None
        self.valkey: Valkey | None = None
        self._instances = instances or {}
        self._overrides = overrides or {}
        self._free_ports = free_ports
        self._postgres_settings = dict(postgres_settings or {})
        self._release = release or Release()
        self._route = route
        self._report = report
        self._plan: Plan | None = None
        self._lock: BinaryIO | None = None

    @property
    def base_url(self) -> str:
        """Where the first gateway is."""
        return f"http://{self.services[GATEWAY.name].http}"

    @property
    def base_urls(self) -> list[str]:
        """Where all gateways are."""
        return [f"http://{one.http}" for one in self.services.values() if one.service is GATEWAY]

    @property
    def admin(self) -> tuple[str, str]:
        """E-mail and password of the first admin, as the environment names them."""
        given = self.settings.environment
        return given["BOOTSTRAP_ADMIN_EMAIL"], given["BOOTSTRAP_ADMIN_PASSWORD"]

    @property
    def plan(self) -> Plan:
        """What the programs know of one another; there once the stack has started."""
        if self._plan is None:
            raise ProgramError("the stack has not started")
        return self._plan

    @property
    def database(self) -> Database:
        """The database, with a URL for every role."""
        return self.plan.database

    def start(self) -> None:
        """Starts everything and waits until every service is ready.

        Raises:
            ProgramError: something does not start; the message says what, and what to do.
            OSError: the folder cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        # Logs name users by id: only the user who runs this may read them.
        (self.folder / "logs").mkdir(mode=0o700, exist_ok=True)
        self._lock = lock(self.folder)
        backing.end_leftovers(self.folder)
        keys = Keys.kept_in(self.folder / "secrets")
        KeyPairs.kept_in(self.folder / KEYS_FOLDER, (service.name for service in SERVICES))
        ports = choose_ports(self.settings, self._instances, free_ports=self._free_ports)
        database, redis_url = self._start_backing(keys)
        self._plan = Plan(self.settings, keys, database, redis_url, ports, self._route)
        began = time.monotonic()
        self._release.migrate(database)
        self._report("migrations are done", time.monotonic() - began)
        for service in self.settings.services:
            for name, own in zip(instance_names(service), ports[service.name], strict=False):
                self._add(name, service, own)
        began = time.monotonic()
        for process in self.services.values():
            process.start()
        self.write_topology()
        for process in self.services.values():
            process.wait_until_ready(beside=tuple(self.services.values()))
            self._report(f"{process.name} is ready", time.monotonic() - began)
        # Readiness does not wait for the first admin; users of a stack sign in as one.
        self.services[AUTH.name].wait_until_zero("bootstrap_admin_pending")

    def stop(self) -> None:
        """Stops everything in order: gateways, the services behind them, Valkey, Postgres."""
        gateways = [one for one in self.services.values() if one.service is GATEWAY]
        behind = [one for one in self.services.values() if one.service is not GATEWAY]
        for wave in (gateways, behind):
            if wave:
                with ThreadPoolExecutor(len(wave)) as pool:
                    list(pool.map(ServiceProcess.stop, wave))
        for server in (self.valkey, self.postgres):
            if server is not None:
                server.stop()
        if self._lock is not None:
            (self.folder / TOPOLOGY_FILE).unlink(missing_ok=True)
            self._lock.close()

    def kill(self) -> None:
        """Ends everything at once."""
        for part in (*self.services.values(), self.valkey, self.postgres):
            if part is not None:
                part.kill()

    def part(self, name: str) -> "ServiceProcess | Postgres | Valkey":
        """Returns a part by its name.

        Raises:
            KeyError: there is no such part.
        """
        own = {"postgres": self.postgres, "redis": self.valkey}.get(name)
        return own if own is not None else self.services[name]

    def start_part(self, name: str) -> None:
        """Starts a part that was stopped or killed, where it was, and waits until it is ready."""
        part = self.part(name)
        part.start()
        self.write_topology()
        if isinstance(part, ServiceProcess):
            part.wait_until_ready()

    def stop_part(self, name: str) -> None:
        """Stops a part as an operator would."""
        self.part(name).stop()

    def kill_part(self, name: str) -> None:
        """Ends a part at once, as a crash would."""
        self.part(name).kill()

    def change_release(self, name: str, release: Release) -> None:
        """Stops a process and starts that of another release in its place; waits until it is ready.

        It is given the settings that the other release would give it, and its `overrides`.

        Raises:
            ProgramError: it does not start.
        """
        process = self.services[name]
        ports = Ports(process.http_port, process.grpc_port)
        environment = self._environment(name, process.service, ports, release)
        process.stop()
        process.python, process.environment = release.python, environment
        self.start_part(name)

    def add_gateway(self, settings: Mapping[str, str] | None = None) -> ServiceProcess:
        """Starts one more gateway and waits until it is ready."""
        name = next(each for each in instance_names(GATEWAY) if each not in self.services)
        added = self._add(name, GATEWAY, Ports(free_port()), settings)
        added.start()
        self.write_topology()
        added.wait_until_ready()
        return added

    def write_topology(self) -> None:
        """Writes down where everything is, for people, tests and the health aggregator."""
        write_topology(self.folder / TOPOLOGY_FILE, self.services, self.postgres, self.valkey)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.__enter__)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.stop)

    def _start_backing(self, keys: Keys) -> tuple[Database, str]:
        began = time.monotonic()
        if self.settings.redis_url is None:
            self.valkey = Valkey(
                self.folder / "valkey", passwords=kept_passwords(self.folder / KEYS_FOLDER / REDIS_FILE)
            )
            self.valkey.start()
            self._report("Valkey 9 is up", time.monotonic() - began)
        else:
            backing.check_redis(self.settings.redis_url)
            self._report("REDIS_URL answers", time.monotonic() - began)
        began = time.monotonic()
        if self.settings.postgres_url is None:
            self.postgres = Postgres(self.folder / "postgres", settings=self._postgres_settings)
            self.postgres.start()
            self._report("Postgres 18 is up", time.monotonic() - began)
            url = self.postgres.url()
        else:
            url = self.settings.postgres_url
        database = Database(url, keys.role_passwords, self.settings.services)
        self._release.provision(
            database, "POSTGRES_URL" if self.postgres is None else "the embedded Postgres"
        )
        if self.postgres is None:
            self._report("POSTGRES_URL answers", time.monotonic() - began)
        redis_url = self.valkey.url if self.valkey is not None else str(self.settings.redis_url)
        return database, redis_url

    def _add(
        self, name: str, service: Service, ports: Ports, settings: Mapping[str, str] | None = None
    ) -> ServiceProcess:
        environment = self._environment(name, service, ports, self._release) | dict(settings or {})
        log = self.folder / "logs" / f"{name}.log"
        process = ServiceProcess(
            name, service, environment, ports.http, ports.grpc, log, python=self._release.python
        )
        self.services[name] = process
        return process

    def _environment(self, name: str, service: Service, ports: Ports, release: Release) -> dict[str, str]:
        return {
            **release.environment(self.plan, service, ports, name),
            **self._overrides.get(name, {}),
        }
