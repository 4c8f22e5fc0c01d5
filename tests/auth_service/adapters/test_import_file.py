"""The file of an import is read twice, and has to be the same both times."""

import os
import threading
from pathlib import Path

import pytest
from auth_service.adapters.import_file import ChangedFile, open_json_lines
from auth_service.domain.user_import import ImportRow

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
