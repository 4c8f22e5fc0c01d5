"""`python -m auth_service users`: bringing users along from another system."""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from io import FileIO
from pathlib import Path
from uuid import UUID

from chassis.errors import ServiceError
from chassis.settings import load
from chassis.startup_errors import StartupError, sentence

from auth_service.adapters.import_file import ChangedFile, UnusableFile, open_json_lines
from auth_service.domain.user_import import RefusedRow
from auth_service.settings import AuthSettings
from auth_service.usecases.user_import import ImportTotals
from auth_service.wiring import commands

DONE, REFUSED, FAILED = 0, 1, 2
_SHOWN_EVERY_SECONDS = 2.0
_AGAIN = "Run it again: it goes on where it has ended."


class Unwritable(Exception):
    """What is written of an import cannot be: the refused rows, or the file of ids."""


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
        _say(f"users import: --ids would overwrite {wanted.file}: name another file")
        return FAILED
    try:
        with (
            open_json_lines(wanted.file) as file,
            # Without a buffer, so that closing has nothing left that can fail.
            nullcontext() if wanted.ids is None or wanted.check else wanted.ids.open("wb", 0) as ids,
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
        _say(f"users import: {unusable} cannot be opened: {error.strerror or error}")
        return FAILED
    except UnusableFile as error:
        _say(f"users import: nothing was imported: {wanted.file}: {error}")
        return FAILED
    except ChangedFile:
        _say(f"users import: {wanted.file} was changed while it was read. {_AGAIN}")
        return FAILED
    except (StartupError, ServiceError, Unwritable) as error:
        said = error if isinstance(error, Unwritable) else sentence(error)
        _say(f"users import: {said}\n{_AGAIN}")
        return FAILED
    totals = imported or checked
    _print(totals, "imported" if imported else "checked, nothing was imported")
    return REFUSED if totals.refused else DONE


def _are_one(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)


def _say(text: str) -> None:
    """Prints to stderr; a reader that has left ends nothing."""
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def _print(totals: ImportTotals, what: str) -> None:
    _say(f"{what}: {totals.rows} rows")
    _say(f"  {totals.new} users, {totals.admins} of them admins")
    _say(f"  {totals.known} had been imported before")
    _say(f"  {len(totals.refused)} refused")


class Progress:
    """`ImportProgress` on a terminal or in a log: a line now and then, and one for each refused row."""

    def __init__(self, ids: FileIO | None) -> None:
        """Takes the file that gets the users' ids."""
        self._ids = ids
        self._shown_at = time.monotonic()

    def advanced(self, step: str, rows: int) -> None:
        """Prints how many rows are done, at most every other second."""
        if time.monotonic() - self._shown_at >= _SHOWN_EVERY_SECONDS:
            self._shown_at = time.monotonic()
            _say(f"{step} {rows} rows")

    def exists(self, line: int, user_id: UUID) -> None:
        """Writes the user's id."""
        if self._ids is not None:
            try:
                self._ids.write(f"{line},{user_id}\n".encode())
            except OSError as error:
                raise Unwritable(f"{self._ids.name!s} cannot be written: {error.strerror}") from error

    def refused(self, row: RefusedRow) -> None:
        """Prints the line's number and why it is refused."""
        try:
            print(f"line {row.line}: {row.reason}", flush=True)
        except OSError as error:
            # What is left in the buffer would fail again at the exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise Unwritable(f"refused rows cannot be written to stdout: {error.strerror}") from error
