"""Runs auth-service; `provision` makes its roles, `migrate` its tables, `audit verify` walks its chain."""

import argparse
import sys

from chassis.settings import load

from auth_service.settings import AuditSettings, AuthSettings, MigrationSettings, ProvisionSettings


def main(arguments: list[str]) -> None:
    """Runs what the command line asks for.

    Raises:
        SystemExit: Always, with the exit status.
    """
    parser = argparse.ArgumentParser(prog="python -m auth_service", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="command")
    commands.add_parser("migrate", help="bring the schema up to date", add_help=False)
    commands.add_parser("provision", help="make the roles and the schema, as an admin of Postgres")
    audit = commands.add_parser("audit", help="look at the audit chain")
    audit.add_subparsers(dest="action", metavar="action", required=True).add_parser(
        "verify", help="compute every hash again; exit status 1 when the chain is broken"
    )
    known, rest = parser.parse_known_args(arguments)
    if known.command == "migrate":
        sys.exit(_migrate(rest))
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if known.command == "provision":
        sys.exit(_provision())
    if known.command == "audit":
        sys.exit(_verify_audit())
    _serve()


def _migrate(arguments: list[str]) -> int:
    # Alembic and SQLAlchemy are 20 MB that the serving process does without.
    from chassis.postgres import migrate  # noqa: PLC0415

    url = load(MigrationSettings).migration_postgres_url.get_secret_value()
    return migrate.main(
        arguments, url=url, schema="auth", package="auth_service", runtime_role="auth_service"
    )


def _provision() -> int:
    from chassis.postgres import provision  # noqa: PLC0415

    settings = load(ProvisionSettings)
    roles = provision.SchemaRoles(
        schema="auth",
        owner="auth_owner",
        owner_password=settings.owner_password.get_secret_value(),
        runtime="auth_service",
        runtime_password=settings.runtime_password.get_secret_value(),
    )
    return provision.main(settings.admin_postgres_url.get_secret_value(), roles)


def _verify_audit() -> int:
    import asyncio  # noqa: PLC0415

    from chassis.startup import StartupError  # noqa: PLC0415

    from auth_service.wiring import serving  # noqa: PLC0415

    settings = load(AuditSettings)
    try:
        report = asyncio.run(serving.verify_audit(settings.postgres_url.get_secret_value()))
    except StartupError as error:
        print(f"audit verify: {error}", file=sys.stderr)  # noqa: T201 - a command line's answer
        return 2
    if report.intact:
        head = report.head.hex() if report.head else "none"
        print(f"intact: {report.events} events, head {head}")  # noqa: T201
        return 0
    print(f"broken at sequence {report.first_broken}, of {report.events} events")  # noqa: T201
    return 1


def _serve() -> None:
    from chassis.settings import secret_names  # noqa: PLC0415

    from auth_service.wiring import serving  # noqa: PLC0415
    from chassis import lifecycle, logs  # noqa: PLC0415

    settings = load(AuthSettings)
    logs.configure(
        serving.SERVICE,
        log_format=settings.log_format,
        level=settings.log_level,
        secret_names=secret_names(AuthSettings),
    )
    lifecycle.run(
        serving.SERVICE,
        lambda running: serving.start(running, settings),
        grace_seconds=settings.shutdown_grace_seconds,
        debug=settings.log_level == "debug",
    )


if __name__ == "__main__":
    main(sys.argv[1:])
