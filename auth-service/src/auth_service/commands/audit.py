"""`python -m auth_service audit`: walking the chain, and taking it out of the database."""

import argparse
import asyncio
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from chassis.errors import Forbidden, ServiceError
from chassis.settings import load
from chassis.startup_errors import StartupError, sentence

from auth_service.adapters import audit_files
from auth_service.domain.audit import Anchor
from auth_service.domain.audit_export import NotAnExport
from auth_service.domain.errors import ChainBroken
from auth_service.settings import AuditSettings, PruneSettings
from auth_service.wiring import commands
from chassis import exits

INTACT, BROKEN, UNANSWERED = 0, 1, 2

WITNESS_NOT_ASKED = (
    "compared with the heads in schema auth only: GET /api/admin/audit-events/verify also asks the witness"
)


def main(arguments: Sequence[str]) -> int:
    """Runs `audit verify`, `prune` or `export` and returns the exit status."""
    known = _parser().parse_args(arguments)
    if known.action == "prune":
        return prune()
    if known.action == "verify":
        return verify() if known.path is None else verify_files(known.path, known.kid)
    try:
        until = None if known.until is None else _time(known.until)
    except ValueError:
        print(f"--until {known.until} is not a time: write 2026-11-23 or RFC 3339", file=sys.stderr)
        return UNANSWERED
    return export(known.output, until)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m auth_service audit", description=__doc__)
    actions = parser.add_subparsers(dest="action", metavar="action", required=True)
    verifying = actions.add_parser(
        "verify", help="compute every hash and check every signature; exit status 1 when one is wrong"
    )
    verifying.add_argument(
        "path", nargs="?", type=Path, help="an exported file, or a folder of them; without it, Postgres"
    )
    verifying.add_argument(
        "--kid",
        action="append",
        default=[],
        help="believe this key; any when not given. Write `--kid=ID`: an id may begin with a dash",
    )
    actions.add_parser("prune", help="remove what is older than AUTH_AUDIT_RETENTION_YEARS, as the owner")
    exporting = actions.add_parser("export", help="write the chain to files that verify on their own")
    exporting.add_argument("--until", help="only what was signed before this time; by default everything")
    exporting.add_argument(
        "--output",
        type=Path,
        required=True,
        help="the file to write, or a folder that gets a file with what is new",
    )
    return parser


def verify() -> int:
    """Walks the chain in Postgres; returns the exit status."""
    settings = load(AuditSettings, exit_status=exits.CONFIG)
    try:
        report = asyncio.run(commands.verify_audit(settings))
    except (StartupError, ServiceError) as error:
        print(f"audit verify: {sentence(error)}", file=sys.stderr)
        return UNANSWERED
    if not report.intact:
        print(f"broken at sequence {report.first_broken}, of {report.events} events: {report.problem}")
        return BROKEN
    head = report.head.hex() if report.head else "none"
    print(f"intact: {report.events} events, head {head}, signed until {report.signed_until}")
    if report.after.sequence:
        print(f"entries up to {report.after.sequence} have served their time, as the head signed there says")
    print(WITNESS_NOT_ASKED)
    if settings.master_key is None:
        print("the signing keys were not verified: set AUTH_MASTER_KEY to find foreign ones")
    return INTACT


def verify_files(path: Path, kids: Sequence[str]) -> int:
    """Verifies an export, or a folder of exports that follow one another; returns the exit status."""
    try:
        for said in _verified(path, frozenset(kids)):
            print(said)
    except OSError as error:
        print(f"audit verify: {error.filename} cannot be read: {error.strerror}", file=sys.stderr)
        return UNANSWERED
    except NotAnExport as error:
        print(f"broken: {error}")
        return BROKEN
    return INTACT


def _verified(path: Path, kids: frozenset[str]) -> Iterator[str]:
    before: Anchor | None = None
    for file in audit_files.files_in(path):
        report = audit_files.verify(file, kids)
        if before is not None and before != report.after:
            raise NotAnExport(f"{file} does not follow the file before it, which ends at {before.sequence}")
        head, before = report.head, report.end
        span = f"{report.chain.events} events from {report.after.sequence + 1} to {head.sequence}"
        yield f"{file}: intact: {span}, head {head.hash.hex()}, signed by {head.kid} at {_moment(head.at)}"


def export(output: Path, until: datetime | None) -> int:
    """Writes the chain to a file, or what is new to a folder; returns the exit status."""
    settings = load(AuditSettings, exit_status=exits.CONFIG)
    try:
        with audit_files.held(output) as place:
            exported = asyncio.run(commands.export_audit(settings, place, until or datetime.now(UTC)))
    except ChainBroken as error:
        print(f"audit export: nothing was written: {error.details['problem']}", file=sys.stderr)
        return BROKEN
    except NotAnExport as error:
        print(f"audit export: nothing was written: {error}", file=sys.stderr)
        return BROKEN
    except (StartupError, ServiceError) as error:
        print(f"audit export: {sentence(error)}", file=sys.stderr)
        return UNANSWERED
    except OSError as error:
        print(f"audit export: {error.filename} cannot be written: {error.strerror}", file=sys.stderr)
        return UNANSWERED
    if exported is None:
        print("nothing to export: no head was signed before then that is not exported yet")
        return INTACT
    path, after, head = exported
    print(f"{path}: events from {after.sequence + 1} to {head.sequence}, signed by {head.kid}")
    print(WITNESS_NOT_ASKED)
    return INTACT


def prune() -> int:
    """Removes the entries that have served their time; returns the exit status."""
    settings = load(PruneSettings, exit_status=exits.CONFIG)
    try:
        removed, begins = asyncio.run(commands.prune_audit(settings))
    except ChainBroken as error:
        print(f"audit prune: nothing was removed: {error.details['problem']}", file=sys.stderr)
        return BROKEN
    except Forbidden:
        print(
            "audit prune: AUTH_MIGRATION_POSTGRES_URL is not the owner's: set auth_owner's", file=sys.stderr
        )
        return UNANSWERED
    except (StartupError, ServiceError) as error:
        print(f"audit prune: {sentence(error)}", file=sys.stderr)
        return UNANSWERED
    years = settings.audit_retention_years
    print(f"{removed} events older than {years} years were removed; the chain begins after {begins.sequence}")
    print(WITNESS_NOT_ASKED)
    return INTACT


def _time(text: str) -> datetime:
    """Reads a date or a time of RFC 3339, UTC when it names no offset.

    Raises:
        ValueError: it is neither.
    """
    at = datetime.fromisoformat(text)
    try:
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except OverflowError as error:
        raise ValueError("before the year 1 or after 9999 in UTC") from error


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
