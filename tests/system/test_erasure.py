"""After a user is erased, nothing holds the address or the name. Ids remain in the audit chain.

What was delivered to a mailbox is the recipient's: the `.eml` files are not looked into.
"""

import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest
from chassis.ids import uuid7
from redis import Redis

from tests.system.client import PASSWORD, Client, User, new_email
from tests.system.mailbox import Mailbox
from tests.system.running_system import System

NEW = "copper-lantern-violet-mast"


@pytest.fixture(name="canaries", scope="module")
def _canaries() -> list[str]:
    """Words that appear only in one user's addresses and names."""
    return [f"canary{secrets.token_hex(8)}" for _ in range(4)]


@pytest.fixture(name="erased", scope="module")
def _erased(
    client: Client, system: System, first_admin: User, mailbox: Mailbox, canaries: list[str]
) -> tuple[str, str]:
    """Id and last address of a user who used every feature and was erased."""
    address, name, later_address, later_name = canaries
    admin = client.sign_in(first_admin).access_token
    first = f"{address.title()}@Example.com"
    ada = client.join(email=first, full_name=f"Ada {name.title()}")
    _knock(client, first, ada.full_name)
    client.post("/api/auth/email/verify", json={"token": mailbox.verification_token(first)})
    client.post("/api/auth/email/resend", token=ada.access_token)
    client.post("/api/auth/password/forgot", json={"email": first})
    _look(client, admin, ada.id, canaries)
    _collide(system, ada.id)
    second = f"{later_address}@example.com"
    client.put("/api/users/me", token=ada.access_token, json={"full_name": f"Ada {later_name}"})
    client.change_email(ada, second, mailbox)
    body = {"old_password": PASSWORD, "new_password": NEW}
    assert client.put("/api/users/me/password", token=ada.access_token, json=body).status == 204
    client.put(f"/api/users/{ada.id}", token=admin, json={"full_name": f"Ada {name} {later_name}"})
    client.put("/api/users/me", token=ada.access_token, json={"email": client.register().email})
    _knock(client, second, f"Ada {later_name}")
    client.post("/api/auth/password/forgot", json={"email": second})
    reset = {"token": mailbox.reset_token(second), "new_password": PASSWORD}
    assert client.post("/api/auth/password/reset", json=reset).status == 204
    ada = client.sign_in(User(ada.id, second, PASSWORD, ""))
    client.post("/api/auth/refresh", json={"refresh_token": ada.refresh_token})
    assert client.get("/api/users/me/export", token=ada.access_token).status == 200
    _look(client, admin, ada.id, canaries)
    client.post("/api/auth/login", json={"email": second, "password": "wrong"})
    client.post("/api/auth/password/forgot", json={"email": second})
    client.delete("/api/users/me", token=ada.access_token, json={"password": "wrong"})
    gone = client.delete("/api/users/me", token=ada.access_token, json={"password": PASSWORD})
    assert gone.outcome == (204, None), gone.text
    client.post("/api/auth/login", json={"email": second, "password": PASSWORD})
    client.post("/api/auth/password/forgot", json={"email": second})
    return ada.id, second


def _knock(client: Client, email: str, name: str) -> None:
    """Causes every refusal that concerns an address or a name."""
    bob = client.join()
    assert client.put("/api/users/me", token=bob.access_token, json={"email": email}).status == 200
    # Taken back afterwards: what another user has entered stays theirs.
    client.put("/api/users/me", token=bob.access_token, json={"email": bob.email})
    taken = {"email": email.upper(), "password": PASSWORD, "full_name": name}
    assert client.post("/api/auth/register", json=taken).code == "EMAIL_TAKEN"
    weak = {"email": f"x{email}", "password": name, "full_name": name}
    assert client.post("/api/auth/register", json=weak).status == 422
    assert client.post("/api/auth/register", json={name: email, "email": f"{email}@"}).status == 422
    assert client.post("/api/auth/login", json={"email": email, "password": "wrong"}).status == 401
    assert client.post("/api/auth/login", content=f'{{"email": "{email}"').status == 400
    assert client.post("/api/auth/password/forgot", json={"email": [email, name]}).status == 422
    assert client.get(f"/api/users/{email}", token=name).status in {401, 422}
    assert client.get(f"/api/{email}", params={"q": name}).status == 404
    assert client.get(
        "/api/users", params={"search": name}, headers={"x-request-id": f"{name} {email}"}
    ).status


def _collide(system: System, user_id: str) -> None:
    """Violates the unique constraints on addresses, as two simultaneous requests would."""
    for table, role in (("users.users", "user_service"), ("auth.credentials", "auth_service")):
        key = "id" if role == "user_service" else "user_id"
        ((whole,),) = system.rows(f"SELECT to_jsonb(t) FROM {table} AS t WHERE {key} = $1", user_id)
        copied = f"INSERT INTO {table} SELECT * FROM jsonb_populate_record(NULL::{table}, $1::text::jsonb)"
        with pytest.raises(asyncpg.UniqueViolationError):
            system.run(role, copied, json.dumps(json.loads(whole) | {key: str(uuid7())}))


def _look(client: Client, admin: str, user_id: str, canaries: list[str]) -> None:
    """Has an admin search and read."""
    for word in canaries:
        assert client.get("/api/users", token=admin, params={"search": word}).status == 200
        client.get("/api/admin/audit-events", token=admin, params={"action": word})
    for _ in range(2):
        assert client.get(f"/api/users/{user_id}", token=admin).status == 200


def _forms(canaries: list[str]) -> Iterator[bytes]:
    """Every canary as text and in Postgres' notation of bytes."""
    for canary in canaries:
        yield canary.encode()
        yield canary.encode().hex().encode()
        yield canary.title().encode().hex().encode()


def _held(content: bytes, canaries: list[str]) -> bool:
    lowered = content.lower()
    return any(form in lowered for form in _forms(canaries))


def test_no_table_holds_it(erased: tuple[str, str], system: System, canaries: list[str]) -> None:
    """No column of any table of any schema."""
    tables = system.rows(
        "SELECT schemaname::text, tablename::text FROM pg_tables"
        " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
    )
    assert ("auth", "credentials") in tables
    pattern = "|".join(form.decode() for form in _forms(canaries))
    holding = [
        f"{schema}.{table}: {row}"
        for schema, table in tables
        for (row,) in system.rows(f'SELECT t::text FROM {schema}."{table}" AS t WHERE t::text ~* $1', pattern)
    ]

    assert holding == []


def test_the_canaries_would_be_found(client: Client, system: System) -> None:
    """The search works: an existing user is found."""
    ada = client.register(email=new_email())
    found = system.rows(
        "SELECT t::text FROM users.users AS t WHERE t::text ~* $1", ada.email.partition("@")[0]
    )

    assert len(found) == 1


def test_no_key_of_redis_holds_it(erased: tuple[str, str], system: System, canaries: list[str]) -> None:
    """Nothing in Redis."""
    with Redis.from_url(system.redis_url) as redis:
        keys = list(redis.scan_iter(count=1000))
        assert keys
        holding = [key for key in keys if _held(key + _content(redis, key), canaries)]

    assert holding == []


def _content(redis: "Redis", key: bytes) -> bytes:
    read: dict[object, Callable[[], object]] = {
        b"string": lambda: redis.get(key),
        b"hash": lambda: redis.hgetall(key),
        b"list": lambda: redis.lrange(key, 0, -1),
        b"set": lambda: redis.smembers(key),
        b"zset": lambda: redis.zrange(key, 0, -1),
        b"stream": lambda: redis.xrange(key),
        b"none": lambda: b"",
    }
    return repr(read[redis.type(key)]()).encode()


def test_no_log_or_file_holds_it(erased: tuple[str, str], system: System, canaries: list[str]) -> None:
    """The log of no program, and no mail that is half written."""
    files = [
        file
        for file in system.folder.rglob("*")
        if file.is_file() and file.suffix != ".eml" and not _is_in_a_table(file.relative_to(system.folder))
    ]
    names = {str(file.relative_to(system.folder)) for file in files}
    assert {"logs/auth-service.log", "logs/gateway.log", "postgres/log"} <= names
    holding = [str(file) for file in files if _held(file.read_bytes(), canaries)]

    assert holding == []


def _is_in_a_table(file: Path) -> bool:
    """Whether a file is Postgres' own storage, whose tables are searched instead."""
    return file.parts[:2] == ("postgres", "data")


def test_no_mail_waits(erased: tuple[str, str], system: System) -> None:
    """No token either."""
    user_id, _ = erased

    assert not system.rows("SELECT kind FROM auth.mails WHERE user_id = $1", user_id)
    for table in ("mail_tokens", "mailed_tokens"):
        assert not system.rows(f"SELECT kind FROM auth.{table} WHERE user_id = $1", user_id)


def test_the_chain_keeps_the_id(erased: tuple[str, str], client: Client, admin: User) -> None:
    """The audit entries remain, and the chain is intact."""
    user_id, _ = erased
    found = client.get("/api/admin/audit-events", token=admin.access_token, params={"subject_id": user_id})
    report = client.get("/api/admin/audit-events/verify", token=admin.access_token).data

    assert "users.delete" in {entry["action"] for entry in found.data}
    assert report["intact"] is True


def test_the_address_can_be_registered_again(
    erased: tuple[str, str], client: Client, mailbox: Mailbox
) -> None:
    """By a new user, who has nothing of the former one."""
    user_id, email = erased
    mails = len([mail for mail in mailbox.mails(email) if "Confirm" in str(mail["Subject"])])
    ada = client.join(email=email)

    assert ada.id != user_id
    assert client.who(ada.access_token).data["email_verified"] is False
    exported = client.get("/api/users/me/export", token=ada.access_token)
    assert user_id not in exported.text
    assert mailbox.verification_token(email, count=mails + 1)
    assert client.delete("/api/users/me", token=ada.access_token, json={"password": PASSWORD}).status == 204
