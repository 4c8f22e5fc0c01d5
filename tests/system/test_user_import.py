"""Users of another system: imported by the command, and signed in with their old passwords."""

import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import bcrypt
import pyotp
import pytest
from devstack.topology import AUTH

from tests.command_line import completed
from tests.system.client import Client, User, new_email
from tests.system.running_system import System
from tests.waiting import wait_for

PASSWORD = "plum-harbor-velvet-quill"
CREATED_AT = "2019-03-04T05:06:07.123Z"
ROWS = 2_000
"""Of a file whose import is killed after a few hundred."""


def _bcrypt(password: str = PASSWORD) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()


def _row(email: str, **fields: Any) -> dict[str, Any]:
    return {"email": email, "full_name": "Ada Lovelace", "created_at": CREATED_AT} | fields


def _file(folder: Path, *rows: dict[str, Any] | str) -> Path:
    path = folder / "users.jsonl"
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return path


def _import(system: System, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return completed(AUTH.module, system.environment(AUTH), "users", "import", *map(str, arguments))


def _accounts(system: System, *emails: str) -> list[tuple[Any, ...]]:
    """Returns the ids of whole accounts: user and credential, admitted."""
    return system.rows(
        "SELECT c.user_id FROM auth.credentials c JOIN users.users u ON u.id = c.user_id "
        "WHERE u.email = ANY($1) AND NOT c.is_pending AND c.joined_at IS NULL",
        list(emails),
    )


def _ids(system: System, *emails: str) -> list[tuple[Any, ...]]:
    return system.rows("SELECT email, id FROM users.users WHERE email = ANY($1)", list(emails))


def test_an_imported_user_is_as_before(client: Client, system: System, admin: User, tmp_path: Path) -> None:
    """The old password signs in, the profile is the old one, and from then on the hash is ours."""
    email, idle = new_email(), new_email()
    path = _file(
        tmp_path,
        _row(email, email_verified=True, password_hash=_bcrypt()),
        _row(idle, is_active=False, password_hash=_bcrypt()),
    )

    done = _import(system, path)

    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert "imported: 2 rows\n  2 users, 0 of them admins" in done.stderr
    wrong = client.post("/api/auth/login", json={"email": email, "password": "plum-harbor-velvet-quil"})
    assert wrong.outcome == (401, "INVALID_CREDENTIALS")
    signed_in = client.post("/api/auth/login", json={"email": email.upper(), "password": PASSWORD})
    me = client.who(signed_in.data["access_token"]).data
    assert (me["email"], me["email_verified"], me["created_at"]) == (email, True, CREATED_AT)
    assert system.rows(
        "SELECT password_hash LIKE '$argon2id$%' FROM auth.credentials WHERE email = $1", email
    ) == [(True,)]
    again = client.post("/api/auth/login", json={"email": email, "password": PASSWORD})
    assert again.status == 200
    disabled = client.post("/api/auth/login", json={"email": idle, "password": PASSWORD})
    assert disabled.outcome == (403, "ACCOUNT_DISABLED")
    listed = client.get("/api/users", token=admin.access_token, params={"search": idle}).data
    assert [(user["email"], user["is_active"], user["email_verified"]) for user in listed] == [
        (idle, False, False)
    ]
    assert not list((system.folder / "mail").glob(f"*{idle}*"))


def test_a_second_factor_comes_along(client: Client, system: System, tmp_path: Path) -> None:
    """The code of the user's app is asked for, and accepted."""
    email, secret = new_email(), pyotp.random_base32()
    path = _file(tmp_path, _row(email, password_hash=_bcrypt(), totp_secret=secret.lower()))
    assert _import(system, path).returncode == 0

    asked = client.post("/api/auth/login", json={"email": email, "password": PASSWORD}).data
    answer = client.post(
        "/api/auth/mfa/verify", json={"mfa_token": asked["mfa_token"], "code": pyotp.TOTP(secret).now()}
    )

    assert asked["mfa_required"]
    assert answer.status == 200


def test_nothing_is_imported_when_a_row_is_refused(client: Client, system: System, tmp_path: Path) -> None:
    """Each refused row is named by its line; the others wait until they are asked for."""
    taken = client.register().email
    good, twice = new_email(), new_email()
    path = _file(
        tmp_path,
        _row(good, password_hash=_bcrypt()),
        _row(twice),
        _row(f" {twice.upper()}".strip()),
        _row(taken.upper()),
        _row(new_email(), password_hash="5f4dcc3b5aa765d61d8327deb882cf99"),
        _row(new_email(), password_hash=_bcrypt().replace("$04$", "$31$")),
        _row("no address", role="owner"),
        "{not json",
        _row(new_email(), password_hash="pbkdf2_sha256$1000$a\0b$" + "A" * 43),
        _row(new_email()) | {"\x1b[2Jhunter2": "x"},
        json.dumps(_row(new_email(), role="user"))[:-1] + ', "role": "admin", "email": "b@example.com"}',
    )

    refused = _import(system, path)

    assert refused.returncode == 1
    lines = dict(line.split(": ", 1) for line in refused.stdout.splitlines())
    assert lines.keys() == {f"line {number}" for number in range(3, 12)}
    assert lines["line 3"] == "email: line 2 has the same address"
    assert lines["line 4"] == "email: another account has this address"
    assert lines["line 5"].startswith("password_hash: is of no known form")
    assert lines["line 9"].startswith("password_hash: is of no known form")
    assert lines["line 10"].startswith("has fields besides email, full_name, created_at")
    assert lines["line 11"] == "email: is there more than once; role: is there more than once"
    assert lines["line 6"] == "password_hash: costs too much: bcrypt's cost is 31, at most 14"
    assert _accounts(system, good, twice) == []
    assert "5f4dcc3b" not in refused.stdout + refused.stderr

    rest = _import(system, path, "--skip-refused")
    assert (rest.returncode, len(_accounts(system, good, twice))) == (1, 2)
    again = _import(system, path, "--skip-refused")
    assert (again.returncode, len(_accounts(system, good, twice))) == (1, 2)
    assert "0 users" in again.stderr
    assert "2 had been imported before" in again.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (json.dumps(_row("a@example.com")).encode("utf-16"), "iconv -f UTF-16 -t UTF-8"),
        (json.dumps([_row("a@example.com")]).encode(), "jq -c '.[]'"),
        (b" \n\n", "it is empty"),
    ],
)
def test_other_files_are_refused_as_a_whole(
    system: System, tmp_path: Path, content: bytes, said: str
) -> None:
    """With the command that converts them."""
    path = tmp_path / "users.jsonl"
    path.write_bytes(content)

    done = _import(system, path)

    assert done.returncode == 2
    assert said in done.stderr


def test_a_byte_order_mark_is_skipped_and_latin_1_is_refused(system: System, tmp_path: Path) -> None:
    """A row in another encoding is one refused row, not the end of the file."""
    email = new_email()
    path = tmp_path / "users.jsonl"
    path.write_bytes(
        b"\xef\xbb\xbf"
        + json.dumps(_row(email, full_name="Zo\u00eb"), ensure_ascii=False).encode()
        + b"\n\n"
        + json.dumps(_row(new_email(), full_name="Zo\u00eb"), ensure_ascii=False).encode("latin-1")
    )

    done = _import(system, path, "--check")

    assert done.stdout.startswith("line 3: is not UTF-8 (byte 0xeb at")
    assert "1 users, 0 of them admins" in done.stderr
    assert _accounts(system, email) == []


@pytest.mark.nightly
def test_a_killed_import_leaves_no_half_of_a_user_and_goes_on(system: System, tmp_path: Path) -> None:
    """Killed in the middle; what it left pending is finished by the next run, nothing twice."""
    marker = hashlib.sha256(str(time.time_ns()).encode()).hexdigest()[:12]
    emails = [f"{marker}-{number}@example.com" for number in range(ROWS)]
    path = _file(
        tmp_path, *(_row(email, password_hash=_bcrypt()) for email in emails[:1]), *map(_row, emails[1:])
    )
    count = "SELECT count(*) FROM users.users WHERE email LIKE $1"
    with subprocess.Popen(
        [sys.executable, "-m", AUTH.module, "users", "import", str(path)],
        env=dict(system.environment(AUTH)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as running:
        wait_for(lambda: system.rows(count, f"{marker}%")[0][0] >= 100)
        running.kill()
    before = system.rows(count, f"{marker}%")[0][0]

    done = _import(system, path)

    assert 100 <= before < ROWS, "killed in the middle"
    assert done.returncode == 0, done.stderr
    assert f"imported: {ROWS} rows" in done.stderr
    assert len(_accounts(system, *emails)) == ROWS
    assert system.rows("SELECT count(*) FROM auth.credentials WHERE is_pending") == [(0,)]


def test_from_stdin_with_the_ids_of_every_user(system: System, tmp_path: Path) -> None:
    """What was imported before is in the file of ids as well, by line."""
    first, second = new_email(), new_email()
    assert _import(system, _file(tmp_path, _row(first))).returncode == 0
    ids = tmp_path / "ids.csv"

    done = subprocess.run(
        [sys.executable, "-m", AUTH.module, "users", "import", "-", "--ids", str(ids)],
        env=system.environment(AUTH),
        input=f"{json.dumps(_row(first))}\n\n{json.dumps(_row(second))}\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    written = dict(line.split(",") for line in ids.read_text().splitlines())
    assert list(written) == ["1", "3"]
    assert {(email, str(user_id)) for email, user_id in _ids(system, first, second)} == {
        (first, written["1"]),
        (second, written["3"]),
    }


def test_the_ids_do_not_overwrite_the_file(system: System, tmp_path: Path) -> None:
    """Also by another name of it."""
    path = _file(tmp_path, _row(new_email()))
    (tmp_path / "ids.csv").symlink_to(path)
    before = path.read_text()

    done = _import(system, path, "--ids", tmp_path / "ids.csv")

    assert (done.returncode, path.read_text()) == (2, before)
    assert "--ids would overwrite" in done.stderr


def test_an_erased_user_does_not_come_back(
    client: Client, system: System, admin: User, tmp_path: Path
) -> None:
    """A file that is imported again does not bring a user back who asked to be erased."""
    email = new_email()
    path = _file(tmp_path, _row(email))
    assert _import(system, path).returncode == 0
    ((user_id,),) = _accounts(system, email)
    assert client.delete(f"/api/users/{user_id}", token=admin.access_token).status == 204

    again = _import(system, path)

    assert again.returncode == 1
    assert "was erased after an earlier import" in again.stdout
    assert _accounts(system, email) == []


def test_imports_and_admins_among_them_are_audited(
    client: Client, system: System, admin: User, tmp_path: Path
) -> None:
    """The import with the digest of its file, and each admin by id."""
    email = new_email()
    path = _file(tmp_path, _row(email, role="admin"), _row(new_email()))
    assert _import(system, path).returncode == 0
    ((user_id,),) = _accounts(system, email)

    def events(action: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = client.get(
            "/api/admin/audit-events", token=admin.access_token, params={"action": action}
        ).data
        return found

    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    (finished,) = [e for e in events("auth.user_import_finished") if e["details"]["file"] == digest]
    assert finished["details"] == {
        "file": digest,
        "rows": "2",
        "users": "2",
        "admins": "1",
        "known": "0",
        "refused": "0",
    }
    assert any(e["details"]["file"] == digest for e in events("auth.user_import_started"))
    assert [e["subject_id"] for e in events("auth.user_imported")].count(str(user_id)) == 1
    wait_for(lambda: str(user_id) in [e["subject_id"] for e in events("users.import")])
