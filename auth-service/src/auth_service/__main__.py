"""Runs auth-service; `provision` makes its roles, `migrate` its tables, `keys` and `audit` are operators'."""

import argparse
import sys
from datetime import UTC, datetime

from chassis.settings import load

from auth_service.settings import (
    AuditSettings,
    AuthSettings,
    KeySettings,
    MigrationSettings,
    ProvisionSettings,
)


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
    keys = commands.add_parser("keys", help="look at the signing keys, and rotate them")
    key_actions = keys.add_subparsers(dest="action", metavar="action", required=True)
    key_actions.add_parser("list", help="every key with its state and its times")
    key_actions.add_parser("rotate", help="publish the next key, which signs when every verifier can know it")
    known, rest = parser.parse_known_args(arguments)
    if known.command == "migrate":
        sys.exit(_migrate(rest))
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if known.command == "provision":
        sys.exit(_provision())
    if known.command == "audit":
        sys.exit(_verify_audit())
    if known.command == "keys":
        sys.exit(_rotate_key() if known.action == "rotate" else _list_keys())
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

    from auth_service.wiring import audit  # noqa: PLC0415

    settings = load(AuditSettings)
    try:
        report = asyncio.run(audit.verify_audit(settings))
    except StartupError as error:
        print(f"audit verify: {error}", file=sys.stderr)  # noqa: T201 - a command line's answer
        return 2
    if not report.intact:
        where = f"broken at sequence {report.first_broken}, of {report.events} events"
        print(f"{where}: {report.problem}")  # noqa: T201
        return 1
    head = report.head.hex() if report.head else "none"
    print(f"intact: {report.events} events, head {head}, signed until {report.signed_until}")  # noqa: T201
    if settings.master_key is None:
        print("the signing keys were believed: set AUTH_MASTER_KEY to tell ours from others")  # noqa: T201
    return 0


def _rotate_key() -> int:
    import asyncio  # noqa: PLC0415

    from chassis.errors import ServiceError  # noqa: PLC0415
    from chassis.startup import StartupError  # noqa: PLC0415

    from auth_service.wiring import keys  # noqa: PLC0415

    settings = load(KeySettings)
    try:
        rotation = asyncio.run(keys.rotate_key(settings))
    except (StartupError, ServiceError) as error:
        details = error.details if isinstance(error, ServiceError) else {}
        about = "".join(f" ({name} {value})" for name, value in details.items())
        print(f"keys rotate: nothing was done: {error}{about}", file=sys.stderr)  # noqa: T201
        return 1
    successor = rotation.successor
    print(f"{successor.kid} is published and signs from {_moment(successor.active_from)}")  # noqa: T201
    for key in rotation.ended:
        print(f"{key.kid} retires at {_moment(key.removed_from)}")  # noqa: T201
    return 0


def _list_keys() -> int:
    import asyncio  # noqa: PLC0415

    from chassis.startup import StartupError  # noqa: PLC0415

    from auth_service.wiring import keys  # noqa: PLC0415

    settings = load(KeySettings)
    try:
        listed = asyncio.run(keys.list_keys(settings))
    except StartupError as error:
        print(f"keys list: {error}", file=sys.stderr)  # noqa: T201
        return 2
    now = datetime.now(UTC)
    row = "{:<43}  {:<9}  {:>9}  {:<20}  {:<20}  {:<20}".format
    print(row("KID", "STATE", "AGE_HOURS", "PUBLISHED", "ACTIVE", "REMOVED"))  # noqa: T201
    for key in listed:
        hours = f"{(now - key.published_at).total_seconds() / 3600:.1f}"
        times = (_moment(each) for each in (key.published_at, key.active_from, key.removed_from))
        print(row(key.kid, key.state, hours, *times))  # noqa: T201
    return 0


def _moment(at: datetime | None) -> str:
    return "-" if at is None else f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


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
