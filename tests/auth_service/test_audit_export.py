"""The audit in files: written from a real Postgres, verified by a program that has nothing else."""

import json
import os
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from auth_service.adapters import audit_files
from auth_service.adapters.master_key import MasterKey
from auth_service.domain.audit_export import NotAnExport
from devstack.database import Database as DevelopmentDatabase

from tests.auth_service.command_line import Environment, output_of, ran
from tests.auth_service.service import Service

Lines = list[dict[str, Any]]
ALONE = {"PATH": os.environ["PATH"]}
"""The environment of a program without a database, a master key and settings."""


async def _happen(service: Service, times: int = 2) -> None:
    """Signs a user in, and then the head."""
    if not await service.count("credentials"):
        await service.register()
    for _ in range(times):
        await service.login()
    assert await service.sign_audit_head() is not None


async def test_a_file_verifies_on_its_own(service: Service, environment: Environment, tmp_path: Path) -> None:
    """Written whole, for its owner alone, as far as the chain was signed; read without a database."""
    await _happen(service, 3)
    await service.login()
    file = tmp_path / "audit.jsonl"

    written = await ran(environment, "audit", "export", "--output", str(file))
    status, said = await output_of(ALONE, "audit", "verify", str(file))

    assert written[0] == 0, written
    assert status == 0
    assert f"{file}: intact: 4 events from 1 to 4, head " in said
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [next(iter(line)) for line in lines] == ["kind", *["sequence"] * 4, "key", "head"]
    assert [line["entry"]["action"] for line in lines[1:5]] == ["auth.register"] + ["auth.login"] * 3
    kid = lines[5]["key"]["kid"]
    assert (await ran(ALONE, "audit", "verify", str(file), f"--kid={kid}"))[0] == 0
    status, said = await ran(ALONE, "audit", "verify", str(file), "--kid=-another")
    assert status == 1
    assert "is signed by a key that is not ours" in said
    status, said = await ran(environment, "audit", "export", "--output", str(file))
    assert status == 2
    assert "it exists already" in said


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_a_folder_gets_what_is_new(
    service: Service, environment: Environment, emptied_database: DevelopmentDatabase, tmp_path: Path
) -> None:
    """File after file, each following the one before; a chain rewritten since is not written after it."""
    export = ("audit", "export", "--output", str(tmp_path))
    await _happen(service)
    assert (await ran(environment, *export))[0] == 0
    status, said = await ran(environment, *export)
    assert (status, said.startswith("nothing to export")) == (0, True)
    await _happen(service)
    assert (await ran(environment, *export))[0] == 0

    names = _names(tmp_path)
    status, said = await ran(ALONE, "audit", "verify", str(tmp_path))
    assert names == ["audit-000000000001-000000000003.jsonl", "audit-000000000004-000000000005.jsonl"]
    assert (status, said.count(": intact: ")) == (0, 2)

    await _happen(service)
    owner = await asyncpg.connect(emptied_database.url("auth_owner"))
    await owner.execute("UPDATE auth.audit_events SET hash = sha256(hash) WHERE sequence >= 5")
    await owner.close()
    status, said = await ran(environment, *export)
    assert status == 1
    assert "nothing was written: entry 6 was altered, or does not follow" in said
    assert _names(tmp_path) == names

    (tmp_path / names[0]).rename(tmp_path / "audit-000000000006-000000000007.jsonl")
    status, said = await ran(ALONE, "audit", "verify", str(tmp_path))
    assert (status, "does not follow the file before it" in said) == (1, True)


async def test_only_what_was_signed_before(
    service: Service, environment: Environment, tmp_path: Path
) -> None:
    """`--until` is a time or a date; one that is none is refused."""
    await _happen(service)
    tomorrow, yesterday = (
        f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}" for days in (1, -1)
    )

    nothing = await ran(environment, "audit", "export", "--until", yesterday, "--output", str(tmp_path))
    wrong = [
        await ran(environment, "audit", "export", "--until", time, "--output", str(tmp_path))
        for time in ("soon", "9999-12-31T23:59:59-14:00")
    ]
    all_of_it = await ran(environment, "audit", "export", "--until", tomorrow, "--output", str(tmp_path))

    assert (nothing[0], nothing[1].startswith("nothing to export")) == (0, True)
    assert [(status, said.partition(":")[0]) for status, said in wrong] == [
        (2, "--until soon is not a time"),
        (2, "--until 9999-12-31T23"),
    ]
    assert (all_of_it[0], "events from 1 to 3" in all_of_it[1]) == (0, True)


def _alter(lines: Lines) -> None:
    lines[2]["entry"]["ip"] = "192.0.2.66"


def _remove(lines: Lines) -> None:
    del lines[2]


def _put_in_between(lines: Lines) -> None:
    lines.insert(2, lines[2])


def _cut_off(lines: Lines) -> None:
    del lines[4]


def _begin_later(lines: Lines) -> None:
    lines[0]["after"] = {"sequence": 1, "hash": lines[1]["hash"]}
    del lines[1]
    lines[1]["entry"]["ip"] = "192.0.2.66"


def _without_head(lines: Lines) -> None:
    del lines[-1]


def _another_key(lines: Lines) -> None:
    mallory = MasterKey(b"e" * 32).generate(datetime.now(UTC))
    lines[-2]["key"] |= {"x": mallory.x, "y": mallory.y}


def _no_point(lines: Lines) -> None:
    lines[-2]["key"]["x"] = lines[-2]["key"]["y"]


def _later(lines: Lines) -> None:
    lines[-1]["head"]["at"] = "2036-01-01T00:00:00.000000Z"


def _another_form(lines: Lines) -> None:
    lines[1]["entry"]["form"] = 2


def _more(lines: Lines) -> None:
    lines.append(lines[1])


def _a_remark(lines: Lines) -> None:
    lines[2]["entry"]["remark"] = "approved"


def _a_remark_beside(lines: Lines) -> None:
    lines[2]["remark"] = "approved"


def _a_remark_at_the_beginning(lines: Lines) -> None:
    lines[0]["after"]["remark"] = "approved"


def _a_remark_on_the_key(lines: Lines) -> None:
    lines[-2]["key"]["remark"] = "approved"


def _a_remark_on_the_head(lines: Lines) -> None:
    lines[-1]["remark"] = "approved"


def _two_keys(lines: Lines) -> None:
    lines.insert(-1, lines[-2])


@pytest.mark.parametrize(
    ("tamper", "problem"),
    [
        (_alter, "entry 2 was altered"),
        (_remove, "entry 2 was removed"),
        (_put_in_between, "entry 3 was removed"),
        (_cut_off, "entries from 4 to 4 were cut off"),
        (_begin_later, "entry 2 was altered"),
        (_without_head, "the last line is not a signed head"),
        (_another_key, "is signed by a key that is not ours"),
        (_no_point, "is signed by a key that is not ours"),
        (_later, "has a signature that is not its key's"),
        (_another_form, "line 2 is not a line of an audit export"),
        (_more, "line 8 comes after the head"),
        (_a_remark, "line 3 is not a line of an audit export"),
        (_a_remark_beside, "line 3 is not a line of an audit export"),
        (_a_remark_at_the_beginning, "line 1 is not a line of an audit export"),
        (_a_remark_on_the_key, "line 6 is not a line of an audit export"),
        (_a_remark_on_the_head, "line 7 is not a line of an audit export"),
        (_two_keys, "line 7 is not a line of an audit export"),
    ],
)
async def test_a_file_that_was_touched(
    service: Service, environment: Environment, tmp_path: Path, tamper: Callable[[Lines], None], problem: str
) -> None:
    """Whatever was done to it, it says so."""
    await _happen(service, 3)
    file = tmp_path / "audit.jsonl"
    await ran(environment, "audit", "export", "--output", str(file))
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    tamper(lines)
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))

    with pytest.raises(NotAnExport) as caught:
        audit_files.verify(file)

    assert problem in str(caught.value)


async def test_a_name_that_is_there_twice(service: Service, environment: Environment, tmp_path: Path) -> None:
    """The last one is what was signed, the first one is what a person reads."""
    await _happen(service)
    file = tmp_path / "audit.jsonl"
    await ran(environment, "audit", "export", "--output", str(file))
    file.write_text(file.read_text().replace('"entry":{', '"entry":{"action":"users.delete",', 1))

    with pytest.raises(NotAnExport, match="line 2 is not a line of an audit export"):
        audit_files.verify(file)


async def test_a_line_without_end(service: Service, environment: Environment, tmp_path: Path) -> None:
    """It is not read to its end, or it would fill the memory."""
    await _happen(service)
    file = tmp_path / "audit.jsonl"
    await ran(environment, "audit", "export", "--output", str(file))
    file.write_text(file.read_text().replace('"entry":{', '"entry":' + " " * audit_files.LINE_MAX + "{", 1))

    with pytest.raises(NotAnExport, match="line 2 is not a line of an audit export"):
        audit_files.verify(file)


async def test_two_exports_at_once(service: Service, environment: Environment, tmp_path: Path) -> None:
    """One of them goes on, the other says why it does not; what a killed one left hinders none."""
    await _happen(service)
    folder, file = tmp_path / "folder", tmp_path / "audit.jsonl"
    folder.mkdir()
    for output, unfinished in (
        (folder, folder / "audit.unfinished"),
        (file, tmp_path / f"{file.name}.unfinished"),
    ):
        export = ("audit", "export", "--output", str(output))
        with audit_files.held(output):
            status, said = await ran(environment, *export)
            assert (status, "another export goes there just now" in said) == (2, True), said
            assert unfinished.exists()
        assert not unfinished.exists()

        unfinished.write_text("half a li")
        unfinished.chmod(0o666)
        assert (await ran(environment, *export))[0] == 0
        assert not unfinished.exists()

    exports = [file, *folder.iterdir()]
    assert [stat.S_IMODE(each.stat().st_mode) for each in exports] == [0o600] * 2
    assert (await ran(ALONE, "audit", "verify", str(folder)))[0] == 0


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe", b"[]", b"null\n", b'{"kind": "other"}\n', b"not JSON", b"[" * 100_000],
    ids=len,
)
async def test_any_other_file_is_refused_in_words(content: bytes, tmp_path: Path) -> None:
    """Nothing that is read makes it stumble."""
    file = tmp_path / "other"
    file.write_bytes(content)

    with pytest.raises(NotAnExport):
        audit_files.verify(file)


async def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Nor a folder without exports: the exit status differs from a broken one's."""
    for path in (tmp_path / "missing", tmp_path):
        status, said = await ran(ALONE, "audit", "verify", str(path))
        assert (status, str(path) in said, len(said.splitlines())) == (2, True, 1)
