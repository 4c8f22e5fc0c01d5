"""Runs the health aggregator; `provision` makes roles, `migrate` tables, `forget-heads` settles the audit."""

if __name__ == "__main__":
    from chassis import boot

    boot.quick()

import sys
from functools import partial

from chassis.settings import load

from chassis import exits
from health_aggregator.settings import HealthSettings, MigrationSettings, ProvisionSettings


def main(arguments: list[str]) -> None:
    """Runs what the command line asks for.

    Raises:
        SystemExit: Always, with the exit status.
    """
    if arguments[:1] == ["migrate"]:
        sys.exit(_migrate(arguments[1:]))
    if arguments == ["provision"]:
        sys.exit(_provision())
    if arguments[:2] == ["forget-heads", "--after"] and arguments[2:3] and arguments[2].isdecimal():
        sys.exit(_forget_heads(int(arguments[2])))
    if arguments:
        sys.exit(
            "usage: python -m health_aggregator "
            "[provision | migrate [upgrade|current|check] | forget-heads --after SEQUENCE]"
        )
    _serve()


def _migrate(arguments: list[str]) -> int:
    # Alembic and SQLAlchemy are 20 MB that the serving process does without.
    from chassis.postgres import migrate  # noqa: PLC0415

    url = load(MigrationSettings, exit_status=exits.CONFIG).migration_postgres_url.get_secret_value()
    return migrate.main(
        arguments, url=url, schema="health", package="health_aggregator", runtime_role="health_aggregator"
    )


def _provision() -> int:
    from chassis.postgres import provision  # noqa: PLC0415

    settings = load(ProvisionSettings, exit_status=exits.CONFIG)
    roles = provision.SchemaRoles(
        schema="health",
        owner="health_owner",
        owner_password=settings.owner_password.get_secret_value(),
        runtime="health_aggregator",
        runtime_password=settings.runtime_password.get_secret_value(),
    )
    return provision.main(settings.admin_postgres_url.get_secret_value(), roles)


def _forget_heads(after: int) -> int:
    from health_aggregator.commands.forget_heads import forget_heads  # noqa: PLC0415

    return forget_heads(load(MigrationSettings).migration_postgres_url.get_secret_value(), after)


def _serve() -> None:
    from chassis.settings import secret_names  # noqa: PLC0415

    from chassis import lifecycle, logs  # noqa: PLC0415
    from health_aggregator.wiring import serve  # noqa: PLC0415

    settings = load(HealthSettings)
    logs.configure(
        "health-aggregator",
        log_format=settings.log_format,
        level=settings.log_level,
        secret_names=secret_names(HealthSettings),
    )
    lifecycle.run(
        "health-aggregator",
        partial(serve, settings),
        grace_seconds=settings.shutdown_grace_seconds,
        linger_seconds=settings.shutdown_linger_seconds,
        debug=settings.log_level == "debug",
    )


if __name__ == "__main__":
    main(sys.argv[1:])
