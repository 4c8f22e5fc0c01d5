"""Runs auth-service; `provision` makes its roles, `migrate` its tables, the rest is operators'."""

if __name__ == "__main__":
    from chassis import boot

    boot.quick()

import argparse
import sys
from pathlib import Path

from chassis.settings import EventsSettings, load

from auth_service.settings import AuthSettings, MigrationSettings, ProvisionSettings
from chassis import exits


def main(arguments: list[str]) -> None:
    """Runs what the command line asks for.

    Raises:
        SystemExit: Always, with the exit status.
    """
    parser = argparse.ArgumentParser(prog="python -m auth_service", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="command")
    commands.add_parser("migrate", help="bring the schema up to date", add_help=False)
    commands.add_parser("provision", help="make the roles and the schema, as an admin of Postgres")
    _add_audit(commands.add_parser("audit", help="look at the audit chain, and take it out"))
    keys = commands.add_parser(
        "keys", help="look at the signing keys, rotate them, and follow the master key"
    )
    commands.add_parser("events", help="look at dead letters, send them again or drop them", add_help=False)
    key_actions = keys.add_subparsers(dest="action", metavar="action", required=True)
    key_actions.add_parser("list", help="every key with its state and its times")
    key_actions.add_parser("rotate", help="publish the next key, which signs when every verifier can know it")
    key_actions.add_parser(
        "reseal", help="seal again with AUTH_MASTER_KEY; exit status 1 while another one is still needed"
    )
    known, rest = parser.parse_known_args(arguments)
    if known.command == "migrate":
        sys.exit(_migrate(rest))
    if known.command == "events":
        sys.exit(_events(rest))
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if known.command == "provision":
        sys.exit(_provision())
    if known.command == "audit":
        sys.exit(_audit(known))
    if known.command == "keys":
        sys.exit(_keys(known))
    _serve()


def _add_audit(audit: argparse.ArgumentParser) -> None:
    actions = audit.add_subparsers(dest="action", metavar="action", required=True)
    verify = actions.add_parser(
        "verify", help="compute every hash and check every signature; exit status 1 when one is wrong"
    )
    verify.add_argument(
        "path", nargs="?", type=Path, help="an exported file, or a folder of them; without it, Postgres"
    )
    verify.add_argument(
        "--kid",
        action="append",
        default=[],
        help="believe this key; any when not given. Write `--kid=ID`: an id may begin with a dash",
    )
    actions.add_parser("prune", help="remove what is older than AUTH_AUDIT_RETENTION_YEARS, as the owner")
    export = actions.add_parser("export", help="write the chain to files that verify on their own")
    export.add_argument("--until", help="only what was signed before this time; all that is when not given")
    export.add_argument(
        "--output",
        type=Path,
        required=True,
        help="the file to write, or a folder that gets a file with what is new",
    )


def _migrate(arguments: list[str]) -> int:
    # Alembic and SQLAlchemy are 20 MB that the serving process does without.
    from chassis.postgres import migrate  # noqa: PLC0415

    url = load(MigrationSettings, exit_status=exits.CONFIG).migration_postgres_url.get_secret_value()
    return migrate.main(
        arguments, url=url, schema="auth", package="auth_service", runtime_role="auth_service"
    )


def _events(arguments: list[str]) -> int:
    from chassis.events import commands  # noqa: PLC0415

    redis_url = load(EventsSettings).redis_url.get_secret_value()
    return commands.main(arguments, group="auth-service", redis_url=redis_url)


def _provision() -> int:
    from chassis.postgres import provision  # noqa: PLC0415

    settings = load(ProvisionSettings, exit_status=exits.CONFIG)
    roles = provision.SchemaRoles(
        schema="auth",
        owner="auth_owner",
        owner_password=settings.owner_password.get_secret_value(),
        runtime="auth_service",
        runtime_password=settings.runtime_password.get_secret_value(),
    )
    return provision.main(settings.admin_postgres_url.get_secret_value(), roles)


def _keys(known: argparse.Namespace) -> int:
    from auth_service.commands import keys  # noqa: PLC0415

    actions = {"rotate": keys.rotate, "reseal": keys.reseal, "list": keys.show}
    return actions[known.action]()


def _audit(known: argparse.Namespace) -> int:
    from auth_service.commands import audit  # noqa: PLC0415

    if known.action == "export":
        try:
            until = None if known.until is None else audit.moment(known.until)
        except ValueError:
            print(f"--until {known.until} is not a time: write 2026-11-23 or RFC 3339", file=sys.stderr)  # noqa: T201
            return audit.UNANSWERED
        return audit.export(known.output, until)
    if known.action == "prune":
        return audit.prune()
    return audit.verify() if known.path is None else audit.verify_files(known.path, known.kid)


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
        linger_seconds=settings.shutdown_linger_seconds,
        debug=settings.log_level == "debug",
    )


if __name__ == "__main__":
    main(sys.argv[1:])
