"""`python -m auth_service users`: bringing users along from another system."""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TextIO
from uuid import UUID

from chassis.errors import ServiceError
from chassis.settings import load
from chassis.startup_errors import StartupError

from auth_service.adapters.import_file import ChangedFile, UnusableFile, open_json_lines
from auth_service.domain.user_import import RefusedRow
from auth_service.settings import AuthSettings
from auth_service.usecases.user_import import ImportTotals
from auth_service.wiring import commands

DONE, REFUSED, FAILED = 0, 1, 2
_SHOWN_EVERY_SECONDS = 2.0
_AGAIN = "Run it again: it goes on where it has ended."


def main(arguments: Sequence[str]) -> int:
    """Runs `users import` and returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m auth_service users", description=__doc__)
    actions = parser.add_subparsers(dest="action", metavar="action", required=True)
    importing = actions.add_parser(
        "import",
        help="import users from a file of JSON lines; refused rows go to stdout, progress to stderr;"
        " exit status 1 when a row was refused, 2 when it could not be finished: run it again",
    )
    importing.add_argument("file", type=Path, help="JSON lines as docs/moving-in.md says; - for stdin")
    importing.add_argument("--check", action="store_true", help="check the file and import nothing")
    importing.add_argument(
        "--skip-refused", action="store_true", help="import the other rows when some are refused"
    )
    importing.add_argument(
        "--ids", type=Path, help="file to write `line,user_id` to for every user who exists afterwards"
    )
    return import_users(parser.parse_args(arguments))


def import_users(wanted: argparse.Namespace) -> int:
    """Checks the file, and imports it; returns the exit status."""
    settings = load(AuthSettings)
    if wanted.ids is not None and _are_one(wanted.ids, wanted.file):
        print(f"users import: --ids would overwrite {wanted.file}: name another file", file=sys.stderr)
        return FAILED
    try:
        with (
            open_json_lines(wanted.file) as file,
            nullcontext() if wanted.ids is None or wanted.check else wanted.ids.open("w") as ids,
        ):
            checked, imported = asyncio.run(
                commands.import_users(
                    settings,
                    file,
                    Progress(ids),
                    check_only=wanted.check,
                    skip_refused=wanted.skip_refused,
                )
            )
    except OSError as error:
        unusable = error.filename or wanted.file
        print(f"users import: {unusable} cannot be opened: {error.strerror or error}", file=sys.stderr)
        return FAILED
    except UnusableFile as error:
        print(f"users import: nothing was imported: {wanted.file}: {error}", file=sys.stderr)
        return FAILED
    except ChangedFile:
        print(f"users import: {wanted.file} was changed while it was read. {_AGAIN}", file=sys.stderr)
        return FAILED
    except (StartupError, ServiceError) as error:
        print(f"users import: {error}\n{_AGAIN}", file=sys.stderr)
        return FAILED
    totals = imported or checked
    _print(totals, "imported" if imported else "checked, nothing was imported")
    return REFUSED if totals.refused else DONE


def _are_one(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)


def _print(totals: ImportTotals, what: str) -> None:
    print(f"{what}: {totals.rows} rows", file=sys.stderr)
    print(f"  {totals.new} users, {totals.admins} of them admins", file=sys.stderr)
    print(f"  {totals.known} had been imported before", file=sys.stderr)
    print(f"  {len(totals.refused)} refused", file=sys.stderr)


class Progress:
    """`ImportProgress` on a terminal or in a log: a line now and then, and one for each refused row."""

    def __init__(self, ids: TextIO | None) -> None:
        """Takes the file that gets the users' ids."""
        self._ids = ids
        self._shown_at = time.monotonic()

    def advanced(self, step: str, rows: int) -> None:
        """Prints how many rows are done, at most every other second."""
        if time.monotonic() - self._shown_at >= _SHOWN_EVERY_SECONDS:
            self._shown_at = time.monotonic()
            print(f"{step} {rows} rows", file=sys.stderr, flush=True)

    def exists(self, line: int, user_id: UUID) -> None:
        """Writes the user's id."""
        if self._ids is not None:
            self._ids.write(f"{line},{user_id}\n")

    def refused(self, row: RefusedRow) -> None:
        """Prints the line's number and why it is refused."""
        print(f"line {row.line}: {row.reason}", flush=True)
