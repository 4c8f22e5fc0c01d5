"""Does for a checkout what its own devstack does: roles, schemas, and the settings of each process.

Run by the interpreter of that checkout, so `devstack` is that checkout's. It gets on stdin,
as JSON, what the system is made of; what it has found goes to stdout, as JSON too.
"""

import asyncio
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from devstack.database import Database
from devstack.keys import Keys
from devstack.plan import Plan, Ports, instance_names
from devstack.settings import Settings
from devstack.topology import SERVICES

System = dict[str, Any]


def provision(system: System) -> None:
    """Makes the roles and schemas that this release needs."""
    asyncio.run(_database(system).provision())


def migrate(system: System) -> None:
    """Migrates every schema to this release; leaves newer ones alone."""

    async def migrate_all() -> None:
        for service in SERVICES:
            if service.schema is not None:
                await _database(system).migrate(service)

    asyncio.run(migrate_all())


def environments(system: System) -> dict[str, dict[str, str]]:
    """Returns the environment of each process, by its name."""
    ports = {service: [Ports(*each) for each in pairs] for service, pairs in system["ports"].items()}
    settings = Settings.read(system["settings"])
    plan = Plan(settings, _keys(system), _database(system), system["redis_url"], ports)
    return {
        name: plan.environment(service, own, name)
        for service in SERVICES
        if service.name in ports
        for name, own in zip(instance_names(service), ports[service.name], strict=False)
    }


def _database(system: System) -> Database:
    passwords = {role: system["keys"]["role_passwords"][role] for role in Database.role_names()}
    return Database(system["admin_url"], passwords)


def _keys(system: System) -> Keys:
    """Returns the system's secrets; those that only this release has are generated."""
    with tempfile.TemporaryDirectory() as folder:
        new = asdict(Keys.kept_in(Path(folder) / "secrets"))
    return Keys(**{name: system["keys"].get(name, value) for name, value in new.items()})


if __name__ == "__main__":
    action = {"provision": provision, "migrate": migrate, "environments": environments}[sys.argv[1]]
    json.dump(action(json.load(sys.stdin)), sys.stdout)
