"""Does for a checkout what its own devstack does: roles, schemas, and the settings of each process.

Run by the interpreter of that checkout, so `devstack` is that checkout's. It is told on stdin,
as JSON, what the house is made of; what it has found goes to stdout, as JSON too.
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

House = dict[str, Any]


def provision(house: House) -> None:
    """Makes the roles and schemas that this release needs."""
    asyncio.run(_database(house).provision())


def migrate(house: House) -> None:
    """Brings every schema to this release's revision; leaves alone what is further."""

    async def migrate_all() -> None:
        for service in SERVICES:
            if service.schema is not None:
                await _database(house).migrate(service)

    asyncio.run(migrate_all())


def environments(house: House) -> dict[str, dict[str, str]]:
    """Returns the environment of each process, by its name."""
    ports = {service: [Ports(*each) for each in pairs] for service, pairs in house["ports"].items()}
    settings = Settings.read(house["settings"])
    plan = Plan(settings, _keys(house), _database(house), house["redis_url"], ports)
    return {
        name: plan.environment(service, own, name)
        for service in SERVICES
        for name, own in zip(instance_names(service), ports[service.name], strict=False)
    }


def _database(house: House) -> Database:
    passwords = {role: house["keys"]["role_passwords"][role] for role in Database.role_names()}
    return Database(house["admin_url"], passwords)


def _keys(house: House) -> Keys:
    """Returns the house's secrets; those that only this release has are made anew."""
    with tempfile.TemporaryDirectory() as folder:
        new = asdict(Keys.kept_in(Path(folder) / "secrets"))
    return Keys(**{name: house["keys"].get(name, value) for name, value in new.items()})


if __name__ == "__main__":
    action = {"provision": provision, "migrate": migrate, "environments": environments}[sys.argv[1]]
    json.dump(action(json.load(sys.stdin)), sys.stdout)
