"""The release whose programs a stack runs: the one that it is part of, or another beside it."""

import asyncio
import sys

from devstack import backing
from devstack.database import Database
from devstack.plan import Plan, Ports
from devstack.topology import Service


class Release:
    """The release that this devstack is part of; for another one, override all of it.

    Attributes:
        name: What to call it.
        python: The interpreter that its programs are installed for.
    """

    name = "this release"
    python = sys.executable

    def provision(self, database: Database, name: str) -> None:
        """Makes the roles and schemas that its services need.

        Args:
            database: Where.
            name: What to call it in messages.

        Raises:
            ProgramError: the database is not there, or refuses.
        """
        backing.provision(database, name)

    def migrate(self, database: Database) -> None:
        """Brings every schema to its revision, or leaves it where it is further.

        Raises:
            ProgramError: a migration failed.
        """
        owners = [service for service in database.services if service.schema is not None]

        async def migrate() -> None:
            await asyncio.gather(*(database.migrate(service) for service in owners))

        backing.run(migrate())

    def environment(self, plan: Plan, service: Service, ports: Ports, name: str) -> dict[str, str]:
        """Returns all of the environment of one of its processes.

        Args:
            plan: What the programs know of one another.
            service: What the process is one of.
            ports: Where it listens.
            name: Its name.
        """
        return plan.environment(service, ports, name)
