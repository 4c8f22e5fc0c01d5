"""The file of an import is read twice, has to be the same both times, and may hold anything."""

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from auth_service.adapters.import_file import ChangedFile, open_json_lines
from auth_service.domain.user_import import ImportRow, RefusedRow

from tests.auth_service.adapters.test_foreign_hashes import HASHES

ROW = '{"email": "%s@example.com", "full_name": "Ada", "created_at": "2019-03-04T05:06:07Z"}\n'


def test_a_file_that_grows_is_noticed(tmp_path: Path) -> None:
    """What came after the check would be imported without it."""
    path = tmp_path / "users.jsonl"
    path.write_text(ROW % "ada")
    with open_json_lines(path) as file:
        assert len(list(file.rows())) == 1
        with path.open("a") as writer:
            writer.write(ROW % "eve")

        with pytest.raises(ChangedFile):
            list(file.rows())


def test_a_file_that_is_replaced_goes_on_as_it_was(tmp_path: Path) -> None:
    """The name belongs to another file now; the one that was checked is still open."""
    path, other = tmp_path / "users.jsonl", tmp_path / "other.jsonl"
    path.write_text(ROW % "ada")
    other.write_text(ROW % "eve")
    with open_json_lines(path) as file:
        list(file.rows())
        other.replace(path)

        (row,) = file.rows()

    assert isinstance(row, ImportRow)
    assert row.email == "ada@example.com"


def test_a_pipe_is_read_twice(tmp_path: Path) -> None:
    """As a shell's `<(zcat users.jsonl.gz)` is: it gives its content once."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=[ROW % "ada"])
    writer.start()

    with open_json_lines(path) as file:
        writer.join()
        assert list(file.rows()) == list(file.rows()) != []


def _damaged(text: str) -> Iterator[str]:
    """Yields a text with each of its characters left out, doubled, or replaced."""
    for at, character in enumerate(text):
        for other in ("", character * 2, "$", "=", "4", "\0", "\u0664", "\u00e9", "\u017f", "\U0001f600"):
            yield text[:at] + other + text[at + 1 :]


@pytest.mark.parametrize(
    ("field", "texts"),
    [
        ("password_hash", list(HASHES.values())),
        ("totp_secret", ["JBSWY3DPEHPK3PXP"]),
        ("created_at", ["2019-03-04T05:06:07Z"]),
        ("email", ["ada@stra\u00dfe.example"]),
        ("full_name", ["Ada Lovelace"]),
    ],
)
def test_a_damaged_field_refuses_its_row_alone(field: str, texts: list[str], tmp_path: Path) -> None:
    """Whatever a field holds, the check goes on; digits and letters of other scripts are none of base32."""
    row = json.loads(ROW % "ada")
    damaged = [each for text in texts for each in _damaged(text)]
    path = tmp_path / "users.jsonl"
    path.write_text("".join(json.dumps(row | {field: each}) + "\n" for each in damaged))

    with open_json_lines(path) as file:
        rows = list(file.rows())

    assert len(rows) == len(damaged)
    assert any(isinstance(each, RefusedRow) for each in rows)
    if field == "totp_secret":
        assert all(
            text.isascii() or isinstance(each, RefusedRow) for text, each in zip(damaged, rows, strict=True)
        )


@pytest.mark.parametrize(
    ("time", "is_taken"),
    [
        ("2019-03-04T05:06:07Z", True),
        ("2019-03-04t05:06:07.123456z", True),
        ("2019-03-04 05:06:07+02:00", True),
        ("2019-03-04T05:06:07-00:00", True),
        ("1551675967", False),
        (1551675967, False),
        (1551675967.5, False),
        ("2019-03-04_05:06:07Z", False),
        ("2019-03-04T05:06Z", False),
        ("2019-03-04T05:06:07", False),
        ("2019-03-04T05:06:07+0200", False),
        ("2019-03-04T05:06:07 Z", False),
        ("2019-03-04", False),
        ("2019-02-30T05:06:07Z", False),
    ],
)
def test_times_are_those_of_rfc_3339(time: str | float, is_taken: bool, tmp_path: Path) -> None:
    path = tmp_path / "users.jsonl"
    path.write_text(json.dumps(json.loads(ROW % "ada") | {"created_at": time}) + "\n")
    with open_json_lines(path) as file:
        (row,) = file.rows()

    assert isinstance(row, RefusedRow) is not is_taken
    if isinstance(row, RefusedRow):
        assert row.reason.startswith("created_at: ")
        assert row.reason.count("created_at") == 1
