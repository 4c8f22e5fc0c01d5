"""After a person is erased, nothing tells from where and with what they came; the chain stays whole.

Logs are the exception that SECURITY.md names: they have addresses and request ids, but no user agent.
"""

import secrets
import time
from collections.abc import Iterator

import pytest
from redis import Redis

from tests.system.edge import PASSWORD, Edge, Person
from tests.system.house import House

CLIENT = f"canary{secrets.token_hex(8)}"
REQUEST = f"canary{secrets.token_hex(8)}"


@pytest.fixture(name="phone", scope="module")
def _phone(edge: Edge) -> Iterator[Edge]:
    """A client that can be told from all others."""
    with Edge(edge.url, {"user-agent": f"{CLIENT}/1.0", "x-request-id": REQUEST}) as phone:
        yield phone


@pytest.fixture(name="erased", scope="module")
def _erased(phone: Edge, house: House, admin: Person, edge: Edge) -> str:
    """The id of somebody who did what there is to do, and left; the events have arrived."""
    ada = phone.join()
    phone.post("/api/auth/login", json={"email": ada.email, "password": "wrong-guess-of-eve"})
    phone.put("/api/users/me", token=ada.access_token, json={"full_name": "Ada"})
    phone.get("/api/users", token=ada.access_token)
    assert phone.post("/api/auth/refresh", json={"refresh_token": ada.refresh_token}).status == 200
    mine = edge.get("/api/admin/audit-events", token=admin.access_token, params={"actor_id": ada.id}).data
    assert f"{CLIENT}/1.0" in {entry["user_agent"] for entry in mine}
    assert REQUEST in {entry["request_id"] for entry in mine}
    assert _tables_with(house, CLIENT), "the net has no holes"
    phone.delete("/api/users/me", token=ada.access_token, json={"password": "wrong"})
    gone = phone.delete("/api/users/me", token=ada.access_token, json={"password": PASSWORD})
    assert gone.outcome == (204, None), gone.text
    deadline = time.monotonic() + 20
    while not any(
        entry["action"] == "users.delete" and entry["outcome"] == "success"
        for entry in _entries(edge, admin, ada.id)
    ):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return ada.id


def _entries(edge: Edge, admin: Person, subject_id: str) -> list[dict[str, str]]:
    query = {"subject_id": subject_id, "page_size": 100}
    return list(edge.get("/api/admin/audit-events", token=admin.access_token, params=query).data)


def _tables_with(house: House, word: str) -> list[str]:
    tables = house.rows(
        "SELECT schemaname::text, tablename::text FROM pg_tables"
        " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
    )
    pattern = f"{word}|{word.encode().hex()}"
    return [
        f"{schema}.{table}"
        for schema, table in tables
        if house.rows(f'SELECT 1 FROM {schema}."{table}" AS t WHERE t::text ~* $1 LIMIT 1', pattern)
    ]


@pytest.mark.parametrize("word", [CLIENT, REQUEST], ids=["client", "request"])
def test_no_table_holds_it(erased: str, house: House, word: str) -> None:
    """Neither the audit nor an outbox, nor what waits to be fetched."""
    assert _tables_with(house, word) == []


@pytest.mark.parametrize("word", [CLIENT, REQUEST], ids=["client", "request"])
def test_no_event_on_the_stream_holds_it(erased: str, house: House, word: str) -> None:
    """It never did."""
    with Redis.from_url(house.redis_url) as redis:
        events = redis.xrange("vestibule:events")
        assert events
        assert word not in repr(events)


def test_no_log_holds_the_user_agent(erased: str, house: House) -> None:
    """Of any program."""
    logs = list((house.folder / "logs").iterdir())
    assert logs
    assert [log.name for log in logs if CLIENT.encode() in log.read_bytes()] == []


def test_the_entries_stay_and_verify(erased: str, edge: Edge, admin: Person) -> None:
    """By id and hash, with nothing of the client."""
    found = _entries(edge, admin, erased)
    report = edge.get("/api/admin/audit-events/verify", token=admin.access_token).data

    assert {"auth.login", "users.update", "users.delete"} <= {entry["action"] for entry in found}
    own = [entry for entry in found if entry["actor_id"] in {erased, ""}]
    assert {(entry["ip"], entry["user_agent"]) for entry in own} == {("", "")}
    assert REQUEST not in {entry["request_id"] for entry in own}
    assert report["intact"] is True
