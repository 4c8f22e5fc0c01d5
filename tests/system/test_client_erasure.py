"""After a user is erased, no record has their client addresses or programs; the audit chain stays intact.

Logs are the exception that SECURITY.md names: they have addresses and request ids, but no user agent.
"""

import secrets
from collections.abc import Iterator

import pytest
from redis import Redis

from tests.system.client import PASSWORD, Client, User
from tests.system.running_system import System
from tests.waiting import wait_for

CLIENT = f"canary{secrets.token_hex(8)}"
REQUEST = f"canary{secrets.token_hex(8)}"


@pytest.fixture(name="phone", scope="module")
def _phone(client: Client) -> Iterator[Client]:
    """A client with a recognisable address, program and request id."""
    with Client(client.url, {"user-agent": f"{CLIENT}/1.0", "x-request-id": REQUEST}) as phone:
        yield phone


@pytest.fixture(name="erased", scope="module")
def _erased(phone: Client, system: System, admin: User, client: Client) -> str:
    """The id of a user who used every feature and was erased; all events have been handled."""
    ada = phone.join()
    phone.post("/api/auth/login", json={"email": ada.email, "password": "wrong-guess-of-eve"})
    phone.put("/api/users/me", token=ada.access_token, json={"full_name": "Ada"})
    phone.get("/api/users", token=ada.access_token)
    assert phone.post("/api/auth/refresh", json={"refresh_token": ada.refresh_token}).status == 200
    mine = client.get("/api/admin/audit-events", token=admin.access_token, params={"actor_id": ada.id}).data
    assert f"{CLIENT}/1.0" in {entry["user_agent"] for entry in mine}
    assert REQUEST in {entry["request_id"] for entry in mine}
    assert _tables_with(system, CLIENT), "the net has no holes"
    phone.delete("/api/users/me", token=ada.access_token, json={"password": "wrong"})
    gone = phone.delete("/api/users/me", token=ada.access_token, json={"password": PASSWORD})
    assert gone.outcome == (204, None), gone.text
    wait_for(
        lambda: any(
            entry["action"] == "users.delete" and entry["outcome"] == "success"
            for entry in _entries(client, admin, ada.id)
        )
    )
    return ada.id


def _entries(client: Client, admin: User, subject_id: str) -> list[dict[str, str]]:
    query = {"subject_id": subject_id, "page_size": 100}
    return list(client.get("/api/admin/audit-events", token=admin.access_token, params=query).data)


def _tables_with(system: System, word: str) -> list[str]:
    tables = system.rows(
        "SELECT schemaname::text, tablename::text FROM pg_tables"
        " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
    )
    pattern = f"{word}|{word.encode().hex()}"
    return [
        f"{schema}.{table}"
        for schema, table in tables
        if system.rows(f'SELECT 1 FROM {schema}."{table}" AS t WHERE t::text ~* $1 LIMIT 1', pattern)
    ]


@pytest.mark.parametrize("word", [CLIENT, REQUEST], ids=["client", "request"])
def test_no_table_holds_it(erased: str, system: System, word: str) -> None:
    """Neither the audit log nor an outbox nor a queue."""
    assert _tables_with(system, word) == []


@pytest.mark.parametrize("word", [CLIENT, REQUEST], ids=["client", "request"])
def test_no_event_on_the_stream_holds_it(erased: str, system: System, word: str) -> None:
    """The stream never contained it."""
    with Redis.from_url(system.redis_url) as redis:
        events = redis.xrange("vestibule:events")
        assert events
        assert word not in repr(events)


def test_no_log_holds_the_user_agent(erased: str, system: System) -> None:
    """Neither does the log of any process."""
    logs = list((system.folder / "logs").iterdir())
    assert logs
    assert [log.name for log in logs if CLIENT.encode() in log.read_bytes()] == []


def test_the_entries_stay_and_verify(erased: str, client: Client, admin: User) -> None:
    """The export of an erased user's entries has ids and hashes only."""
    found = _entries(client, admin, erased)
    report = client.get("/api/admin/audit-events/verify", token=admin.access_token).data

    assert {"auth.login", "users.update", "users.delete"} <= {entry["action"] for entry in found}
    own = [entry for entry in found if entry["actor_id"] in {erased, ""}]
    assert {(entry["ip"], entry["user_agent"]) for entry in own} == {("", "")}
    assert REQUEST not in {entry["request_id"] for entry in own}
    assert report["intact"] is True
