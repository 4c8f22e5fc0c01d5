"""A service as a program: a name, settings, a start function, and what it owns in Postgres.

`python -m <package>` serves. Metrics, traces, logs and the operations port come with it, and so do the
commands `migrate` and `provision` of a service with a schema. Each module of `<package>.commands` is a
command of its own: `python -m auth_service audit` calls `main(arguments)` of `auth_service.commands.audit`.

    service = Service("user-service", UsersSettings, _start, schema=Schema("users"))

    if __name__ == "__main__":
        service.main(sys.argv[1:])
"""

import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Generic, NoReturn, TypeVar

from chassis import exits, fast_imports
from chassis.dataclass import dataclass
from chassis.settings import (
    MigrationSettings,
    ProvisionSettings,
    RedisSettings,
    ServiceSettings,
    load,
    prefixed,
)

if TYPE_CHECKING:
    from chassis.lifecycle import Lifecycle

Settings = TypeVar("Settings", bound=ServiceSettings)

_USAGE = 2
"""What a wrong command line ends with, as with argparse."""

Start = Callable[["Lifecycle", Settings], Awaitable[object]]
"""Opens and checks everything on the lifecycle, awaits its `may_begin`, and returns once it can answer."""

Command = Callable[[Sequence[str]], int]
"""Takes the arguments after its name and returns the exit status."""


@dataclass(frozen=True, slots=True)
class Schema:
    """What a service owns in Postgres.

    Attributes:
        name: The schema.
        extensions: Extensions that its migrations use where the server offers them.
    """

    name: str
    extensions: tuple[str, ...] = ()

    @property
    def owner(self) -> str:
        """The role that owns the schema and migrates it; the service runs as another one."""
        return f"{self.name}_owner"


@dataclass(frozen=True, slots=True)
class Service(Generic[Settings]):
    """A service and its command line.

    Attributes:
        name: Its name everywhere: folder, image, Kubernetes Service, health component.
        settings: What the serving process reads from the environment.
        start: Imports and returns the start function; called only to serve, so that commands do without
            what it imports.
        schema: What it owns in Postgres.
        handles_events: Whether it handles events of others, so that it has dead letters and `events`.
        release: The version that it reports; by default that of its distribution.
    """

    name: str
    settings: type[Settings]
    start: Callable[[], Start[Settings]]
    schema: Schema | None = None
    handles_events: bool = False
    release: str | None = None

    @property
    def package(self) -> str:
        """Its Python package, and the role of Postgres that it serves as."""
        return self.name.replace("-", "_")

    def main(self, arguments: Sequence[str]) -> NoReturn:
        """Serves, or runs the command that the arguments begin with.

        Raises:
            SystemExit: always, with the exit status.
        """
        # gRPC would run handlers in each program that is started, before it begins, and wait in vain for
        # threads which only its parent has; the parent, in fork, waits with it. Read when gRPC is first used.
        os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
        if not arguments:
            self._serve()
        fast_imports.end()  # Commands import what serving does without.
        commands = self._commands()
        name, *rest = arguments
        if name in commands:
            sys.exit(commands[name](rest))
        choice = f" [{' | '.join(commands)}]" if commands else ""
        usage = f"usage: python -m {self.package}{choice}\nWithout a command it serves."
        if name in ("-h", "--help"):
            print(usage)  # noqa: T201 - a command line's answer
            sys.exit(0)
        print(f"there is no command {name!r}\n{usage}", file=sys.stderr)  # noqa: T201
        sys.exit(_USAGE)

    def _commands(self) -> dict[str, Command]:
        """Returns every command by its name; nothing is imported before it runs."""
        built_in: dict[str, Command] = {}
        if self.schema is not None:
            built_in |= {"migrate": self._migrate, "provision": self._provision}
        if self.handles_events:
            built_in["events"] = self._events
        return built_in | self._own_commands()

    def _own_commands(self) -> dict[str, Command]:
        folder = f"{self.package}.commands"
        found = find_spec(folder)

        def command(module: str) -> Command:
            def run(arguments: Sequence[str]) -> int:
                return int(import_module(f"{folder}.{module}").main(arguments))

            return run

        names = [module.name for module in iter_modules(found.submodule_search_locations if found else ())]
        return {name.replace("_", "-"): command(name) for name in names}

    def _migrate(self, arguments: Sequence[str]) -> int:
        # Alembic and SQLAlchemy are 20 MB that the serving process does without.
        from chassis.postgres import migrate  # noqa: PLC0415

        assert self.schema is not None  # noqa: S101 - only then is it a command
        settings = load(prefixed(MigrationSettings, self._prefix), exit_status=exits.CONFIG)
        return migrate.main(
            arguments,
            url=settings.migration_postgres_url.get_secret_value(),
            schema=self.schema.name,
            package=self.package,
            runtime_role=self.package,
        )

    def _provision(self, arguments: Sequence[str]) -> int:
        from chassis.postgres import provision  # noqa: PLC0415

        assert self.schema is not None  # noqa: S101 - only then is it a command
        if arguments:
            print(f"usage: python -m {self.package} provision", file=sys.stderr)  # noqa: T201
            return _USAGE
        settings = load(prefixed(ProvisionSettings, self._prefix), exit_status=exits.CONFIG)
        roles = provision.SchemaRoles(
            schema=self.schema.name,
            owner=self.schema.owner,
            owner_password=settings.owner_password.get_secret_value(),
            runtime=self.package,
            runtime_password=settings.runtime_password.get_secret_value(),
            extensions=self.schema.extensions,
        )
        return provision.main(settings.admin_postgres_url.get_secret_value(), roles)

    def _events(self, arguments: Sequence[str]) -> int:
        from chassis.events import commands  # noqa: PLC0415

        redis_url = load(RedisSettings).redis_url_with_authorities
        return commands.main(arguments, group=self.name, redis_url=redis_url)

    @property
    def _prefix(self) -> str:
        return self.settings.model_config.get("env_prefix", "")

    def _serve(self) -> NoReturn:
        settings = load(self.settings)
        if settings.service_key is not None:
            # PyJWT looks by it whether the secret that services share is a certificate.
            fast_imports.allow("cryptography.x509")
        # What serving imports, a command does without.
        from chassis import serving  # noqa: PLC0415

        serving.serve(self.name, settings, self.start(), release=self.release)
