"""Runs user-service; `provision` makes its roles, `migrate` its tables, `events` is operators'."""

if __name__ == "__main__":
    from chassis import boot

    boot.quick()

import sys

from chassis.settings import EventsSettings, load

from chassis import exits
from user_service.settings import MigrationSettings, ProvisionSettings, UsersSettings


def main(arguments: list[str]) -> None:
    """Runs what the command line asks for.

    Raises:
        SystemExit: Always, with the exit status.
    """
    if arguments[:1] == ["migrate"]:
        sys.exit(_migrate(arguments[1:]))
    if arguments[:1] == ["events"]:
        sys.exit(_events(arguments[1:]))
    if arguments == ["provision"]:
        sys.exit(_provision())
    if arguments:
        sys.exit(
            "usage: python -m user_service [provision | migrate [upgrade|current|check]"
            " | events [list|requeue|drop]]"
        )
    _serve()


def _migrate(arguments: list[str]) -> int:
    # Alembic and SQLAlchemy are 20 MB that the serving process does without.
    from chassis.postgres import migrate  # noqa: PLC0415

    url = load(MigrationSettings, exit_status=exits.CONFIG).migration_postgres_url.get_secret_value()
    return migrate.main(
        arguments, url=url, schema="users", package="user_service", runtime_role="user_service"
    )


def _events(arguments: list[str]) -> int:
    from chassis.events import commands  # noqa: PLC0415

    redis_url = load(EventsSettings).redis_url.get_secret_value()
    return commands.main(arguments, group="user-service", redis_url=redis_url)


def _provision() -> int:
    from chassis.postgres import provision  # noqa: PLC0415

    settings = load(ProvisionSettings, exit_status=exits.CONFIG)
    roles = provision.SchemaRoles(
        schema="users",
        owner="users_owner",
        owner_password=settings.owner_password.get_secret_value(),
        runtime="user_service",
        runtime_password=settings.runtime_password.get_secret_value(),
        extensions=("pg_trgm",),
    )
    return provision.main(settings.admin_postgres_url.get_secret_value(), roles)


def _serve() -> None:
    from chassis.settings import secret_names  # noqa: PLC0415

    from chassis import lifecycle, logs  # noqa: PLC0415
    from user_service import wiring  # noqa: PLC0415

    settings = load(UsersSettings)
    logs.configure(
        wiring.SERVICE,
        log_format=settings.log_format,
        level=settings.log_level,
        secret_names=secret_names(UsersSettings),
    )
    lifecycle.run(
        wiring.SERVICE,
        lambda running: wiring.start(running, settings),
        grace_seconds=settings.shutdown_grace_seconds,
        linger_seconds=settings.shutdown_linger_seconds,
        debug=settings.log_level == "debug",
    )


if __name__ == "__main__":
    main(sys.argv[1:])
