"""`topology.json`: where everything is and as which process, for people, tests and the health aggregator."""

import json
from collections.abc import Mapping
from pathlib import Path

from devstack.postgres import Postgres
from devstack.service import ServiceProcess
from devstack.valkey import Valkey


def write_topology(
    file: Path, services: Mapping[str, ServiceProcess], postgres: Postgres | None, valkey: Valkey | None
) -> None:
    """Replaces the file; a reader sees all of the old one or all of the new one."""
    backing = {"postgres": postgres, "redis": valkey}
    content = {
        "services": {
            name: {"pid": one.pid, **({} if one.grpc is None else {"grpc": one.grpc}), "http": one.http}
            for name, one in services.items()
        },
        "backing": {
            name: {"pid": server.pid, "address": f"127.0.0.1:{server.port}"}
            for name, server in backing.items()
            if server is not None
        },
    }
    unfinished = file.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(content, indent=2) + "\n")
    unfinished.replace(file)


def read_pids(file: Path) -> list[int]:
    """Returns the ids of all processes that a file names; none when it is missing or damaged."""
    try:
        content = json.loads(file.read_bytes())
        parts = [*content["services"].values(), *content["backing"].values()]
        return [int(part["pid"]) for part in parts if part["pid"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
