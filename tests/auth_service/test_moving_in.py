"""The converters of docs/moving-in.md, run on small made exports of the systems that they are for."""

import base64
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import bcrypt
import pyotp
from argon2 import low_level
from auth_service.adapters import foreign_hashes
from auth_service.adapters.import_file import open_json_lines
from auth_service.domain.user_import import ImportRow
from chassis.identity.role import Role
from devstack.database import Database as DevelopmentDatabase

PAGE = Path(__file__).parents[2] / "docs/moving-in.md"
PASSWORD = "plum-harbor-velvet-quill"
BCRYPT = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4, b"2a")).decode()
SALT = b"sixteen bytes, 1"
CREATED = datetime(2021, 2, 3, 4, 5, 6, tzinfo=UTC)

VOICEASSIST = """
CREATE TEMPORARY TABLE users (
    id uuid DEFAULT gen_random_uuid(), email text, full_name text, hashed_password text, is_active boolean,
    is_admin boolean, created_at timestamp
);
INSERT INTO users (email, full_name, hashed_password, is_active, is_admin, created_at) VALUES
    ('ada@example.com', 'Ada "Countess" Lovelace', $1, true, true, '2021-02-03 04:05:06'),
    ('bob@example.com', '', NULL, false, false, '2022-02-03 04:05:06.789')
"""

SUPABASE = """
CREATE TABLE auth.users (
    id uuid, email text, encrypted_password text, email_confirmed_at timestamptz, created_at timestamptz,
    banned_until timestamptz, deleted_at timestamptz, raw_user_meta_data jsonb, raw_app_meta_data jsonb
);
CREATE TABLE auth.mfa_factors (
    user_id uuid, factor_type text, status text, secret text, created_at timestamptz
);
INSERT INTO auth.users VALUES
    ('00000000-0000-4000-8000-000000000001', 'ada@example.com', $1, now(), '2021-02-03T04:05:06Z', NULL, NULL,
     '{"full_name": "Ada Lovelace"}', '{"role": "admin"}'),
    ('00000000-0000-4000-8000-000000000002', 'bob@example.com', '', NULL, '2022-02-03T04:05:06Z', 'infinity',
     NULL, '{}', '{"provider": "google"}'),
    ('00000000-0000-4000-8000-000000000003', NULL, '', NULL, now(), NULL, NULL, '{}', '{}'),
    ('00000000-0000-4000-8000-000000000004', 'gone@example.com', '', NULL, now(), NULL, now(), '{}', '{}');
INSERT INTO auth.mfa_factors VALUES
    ('00000000-0000-4000-8000-000000000001', 'totp', 'verified', 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP', now())
"""


def _snippet(kind: str, name: str) -> str:
    found = re.search(rf"^```{kind} {name}\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]


def _rows(folder: Path, lines: Sequence[str]) -> list[ImportRow]:
    """Returns what an import reads; it refuses nothing."""
    path = folder / "users.jsonl"
    path.write_text("\n".join(lines))
    with open_json_lines(path) as file:
        rows = list(file.rows())
    assert all(isinstance(row, ImportRow) for row in rows), rows
    return [row for row in rows if isinstance(row, ImportRow)]


def _is_password(row: ImportRow) -> bool:
    return row.password_hash is not None and foreign_hashes.matches(row.password_hash, PASSWORD.encode())


async def _queried(database: DevelopmentDatabase, setup: str, query: str) -> list[str]:
    """Returns the query's lines in a database that looks like the other system's."""
    connection = await asyncpg.connect(database.admin_url)
    transaction = connection.transaction()
    await transaction.start()
    try:
        for statement in setup.split(";\n"):
            await connection.execute(statement.replace("$1", f"'{BCRYPT}'"))
        return [row[0] for row in await connection.fetch(query)]
    finally:
        await transaction.rollback()
        await connection.close()


def _converted(program: str, *arguments: str, given: str = "") -> list[str]:
    ran = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        input=given,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return ran.stdout.splitlines()


async def test_the_monoliths_users(emptied_database: DevelopmentDatabase, tmp_path: Path) -> None:
    """Bcrypt by passlib, times without an offset, names that may be empty."""
    lines = await _queried(emptied_database, VOICEASSIST, _snippet("sql", "voiceassist"))

    ada, bob = _rows(tmp_path, lines)
    assert _is_password(ada)
    assert (ada.full_name, ada.role, ada.is_active, ada.created_at) == (
        'Ada "Countess" Lovelace',
        Role.ADMIN,
        True,
        CREATED,
    )
    assert (bob.full_name, bob.role, bob.is_active, bob.password_hash) == (
        "bob@example.com",
        Role.USER,
        False,
        None,
    )


async def test_supabases_users(emptied_database: DevelopmentDatabase, tmp_path: Path) -> None:
    """With their factor; without those who have no address or were deleted."""
    lines = await _queried(emptied_database, SUPABASE, _snippet("sql", "supabase"))

    ada, bob = _rows(tmp_path, lines)
    assert _is_password(ada)
    assert (ada.role, ada.email_verified, ada.totp_secret) == (
        Role.ADMIN,
        True,
        "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
    )
    assert (bob.is_active, bob.email_verified, bob.password_hash) == (False, False, None)


def _keycloak_password(algorithm: str, iterations: int, value: bytes, **parameters: Any) -> dict[str, Any]:
    secret = {"value": base64.b64encode(value).decode(), "salt": base64.b64encode(SALT).decode()}
    data = {"hashIterations": iterations, "algorithm": algorithm, "additionalParameters": parameters}
    return {"type": "password", "secretData": json.dumps(secret), "credentialData": json.dumps(data)}


def _keycloak_user(name: str, *credentials: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "username": name,
        "email": f"{name}@example.com",
        "enabled": True,
        "emailVerified": True,
        "createdTimestamp": int(CREATED.timestamp() * 1000),
        "credentials": list(credentials),
    } | fields


def test_keycloaks_users(tmp_path: Path) -> None:
    """PBKDF2 by either digest and Argon2; the second factor as the app has it."""
    password = PASSWORD.encode()
    otp = {
        "type": "otp",
        "secretData": json.dumps({"value": "A20CharactersSecret1"}),
        "credentialData": json.dumps(
            {"subType": "totp", "digits": 6, "period": 30, "algorithm": "HmacSHA1", "counter": 0}
        ),
    }
    argon2 = low_level.hash_secret_raw(password, SALT, 2, 7168, 1, 32, low_level.Type.ID)
    settings = {"hashLength": ["32"], "memory": ["7168"], "type": ["id"], "version": ["1.3"]}
    realm = {
        "realm": "old",
        "users": [
            _keycloak_user(
                "ada",
                _keycloak_password(
                    "pbkdf2-sha256", 27_500, hashlib.pbkdf2_hmac("sha256", password, SALT, 27_500, 64)
                ),
                otp,
                firstName="Ada",
                lastName="Lovelace",
                realmRoles=["default-roles-old", "admin"],
            ),
            _keycloak_user(
                "bob",
                _keycloak_password(
                    "pbkdf2-sha512", 1000, hashlib.pbkdf2_hmac("sha512", password, SALT, 1000)
                ),
                enabled=False,
            ),
            _keycloak_user("eve", _keycloak_password("argon2", 2, argon2, parallelism=["1"], **settings)),
            _keycloak_user("federated"),
            _keycloak_user("service-account-x", serviceAccountClientId="x"),
        ],
    }

    lines = _converted(_snippet("python", "keycloak"), given=json.dumps(realm))

    ada, bob, eve, federated = _rows(tmp_path, lines)
    assert all(_is_password(row) for row in (ada, bob, eve))
    assert (ada.full_name, ada.role, ada.created_at) == ("Ada Lovelace", Role.ADMIN, CREATED)
    assert pyotp.TOTP(ada.totp_secret or "").byte_secret() == b"A20CharactersSecret1"
    assert (bob.is_active, bob.full_name) == (False, "bob")
    assert federated.password_hash is None


def test_auth0s_users(tmp_path: Path) -> None:
    """The export of users beside that of hashes."""
    users = [
        {
            "user_id": "auth0|5f7c8ec7c33c6c004bbafe82",
            "email": "ada@example.com",
            "email_verified": True,
            "name": "Ada Lovelace",
            "created_at": "2021-02-03T04:05:06.000Z",
        },
        {
            "user_id": "google-oauth2|103547991597142817347",
            "email": "bob@example.com",
            "email_verified": True,
            "name": "Bob",
            "created_at": "2021-02-03T04:05:06.000Z",
            "blocked": True,
        },
    ]
    hashes = [
        {"_id": {"$oid": "5f7c8ec7c33c6c004bbafe82"}, "email": "ada@example.com", "passwordHash": BCRYPT}
    ]
    files = []
    for name, rows in (("users", users), ("passwords", hashes)):
        files.append(tmp_path / f"{name}.json")
        files[-1].write_text("".join(json.dumps(row) + "\n" for row in rows))

    lines = _converted(_snippet("python", "auth0"), *map(str, files))

    ada, bob = _rows(tmp_path, lines)
    assert _is_password(ada)
    assert (ada.full_name, ada.email_verified, ada.created_at) == ("Ada Lovelace", True, CREATED)
    assert (bob.is_active, bob.password_hash) == (False, None)
