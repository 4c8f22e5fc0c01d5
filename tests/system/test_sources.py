"""Folders that are followed, by the contract, on a real WebDAV server."""

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from chassis.ids import uuid7

from tests.collector import Collector
from tests.fakes.webdav_server import PASSWORD, USER, WebDavServer, running_webdav_server
from tests.leaks import leaks
from tests.system.client import Answer, Client, User
from tests.system.held_responses import HeldResponses
from tests.system.running_system import System
from tests.system.test_canaries import outputs
from tests.waiting import wait_for

PATH = "/api/knowledge/sources"


@pytest.fixture(name="server")
def _server(tmp_path: Path) -> Iterator[WebDavServer]:
    with running_webdav_server(tmp_path) as server:
        yield server


@pytest.fixture(name="owner")
def _owner(client: Client) -> User:
    return client.join()


def add(client: Client, owner: User, server: WebDavServer, **fields: str) -> Any:
    """Adds a source and returns it."""
    body = {"url": server.url, "user": USER, "app_password": PASSWORD, **fields}
    answer = client.post(PATH, token=owner.access_token, json=body)
    assert answer.outcome == (201, None), answer.text
    return answer.data


def followed(client: Client, owner: User, source_id: str, state: str = "current") -> Any:
    """Waits until a source has a state, and returns it."""

    def look() -> Any:
        answer = client.get(f"{PATH}/{source_id}", token=owner.access_token)
        assert answer.status == 200, answer.text
        return answer.data if answer.data["state"] == state else None

    return wait_for(look)


def titles(client: Client, owner: User) -> set[str]:
    """Returns the titles of the owner's documents."""
    rows = client.get("/api/knowledge/documents", token=owner.access_token, params={"page_size": 100}).data
    return {row["title"] for row in rows if row["owner_id"] == owner.id}


def test_a_folder_is_followed(client: Client, owner: User, server: WebDavServer) -> None:
    """From its addition to its deletion; the password is never returned."""
    word = f"w{secrets.token_hex(8)}"
    (server.folder / "a.md").write_text(f"# Warfarin\n\n{word}")
    (server.folder / "b.jpg").write_bytes(b"\xff\xd8")
    source = add(client, owner, server)
    assert (source["url"], source["user"], source["state"]) == (server.url, USER, "waiting")

    source = followed(client, owner, source["id"])
    assert (source["documents"], source["skipped"], source["problem"]) == (1, 1, None)
    assert source["skipped_files"] == [{"path": "b.jpg", "reason": "UNSUPPORTED_TYPE"}]
    listed = client.get(PATH, token=owner.access_token)
    assert [each["id"] for each in listed.data] == [source["id"]]
    assert listed.pagination["total_items"] == 1
    assert PASSWORD not in listed.text
    export = client.get("/api/users/me/export", token=owner.access_token)
    (exported,) = export.data["sources"]
    assert (exported["url"], exported["user"]) == (server.url, USER)
    assert exported["skipped_files"] == ["b.jpg"]
    assert PASSWORD not in export.text
    best, *_ = client.post("/api/knowledge/search", token=owner.access_token, json={"query": word}).data[
        "passages"
    ]
    assert (best["title"], best["source_url"]) == ("a.md", f"{server.url}/a.md")

    (server.folder / "a.md").rename(server.folder / "c.md")
    wait_for(lambda: titles(client, owner) == {"c.md"})

    deleted = client.delete(f"{PATH}/{source['id']}", token=owner.access_token)
    assert deleted.status == 204
    assert titles(client, owner) == set()
    assert client.get(f"{PATH}/{source['id']}", token=owner.access_token).outcome == (404, "NOT_FOUND")


def test_a_wrong_password_is_shown(client: Client, owner: User, server: WebDavServer) -> None:
    source = add(client, owner, server, app_password="wrong")

    assert followed(client, owner, source["id"], "failed")["problem"] == "UNAUTHORIZED"


def test_sources_are_their_owners_alone(
    client: Client, owner: User, admin: User, server: WebDavServer
) -> None:
    """Not even admins see or delete them."""
    path = f"{PATH}/{add(client, owner, server)['id']}"

    for other in (client.join(), admin):
        assert client.get(path, token=other.access_token).outcome == (404, "NOT_FOUND")
        assert client.delete(path, token=other.access_token).outcome == (404, "NOT_FOUND")
        assert client.get(PATH, token=other.access_token).data == []
    assert client.get(PATH).outcome == (401, "UNAUTHENTICATED")


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.1/dav",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/dav",
        "http://[::ffff:10.0.0.1]/dav",
        "http://[fd00::1]/dav",
        "http://0x7f000001.nip.invalid:99999/dav",
        "http://ada:secret@example.org/dav",
        "ftp://example.org/dav",
        "file:///etc/passwd",
        "http://example.org/a b",
        "http://",
        "",
    ],
)
def test_addresses_that_are_refused(client: Client, owner: User, url: str) -> None:
    """Private networks, and what is no address; loopback is allowed to these tests alone."""
    body = {"url": url, "user": USER, "app_password": PASSWORD}
    answer = client.post(PATH, token=owner.access_token, json=body)

    assert answer.outcome == (422, "VALIDATION_ERROR"), answer.text
    assert answer.fields == {"url"}


def test_there_are_ten_at_most(client: Client, owner: User, server: WebDavServer) -> None:
    """And they are listed in pages."""
    ids = [add(client, owner, server, url=f"{server.url}/{number}")["id"] for number in range(10)]
    body = {"url": server.url, "user": USER, "app_password": PASSWORD}

    assert client.post(PATH, token=owner.access_token, json=body).outcome == (409, "CONFLICT")
    first = client.get(PATH, token=owner.access_token, params={"page_size": 6})
    second = client.get(
        PATH,
        token=owner.access_token,
        params={"page_size": 6, "cursor": first.pagination["next_cursor"]},
    )
    assert [each["id"] for each in [*first.data, *second.data]] == ids[::-1]
    assert (second.pagination["page"], second.pagination["has_next"]) == (2, False)
    for each in ids:
        assert client.delete(f"{PATH}/{each}", token=owner.access_token).status == 204


def test_no_output_has_what_the_source_holds(
    client: Client, owner: User, server: WebDavServer, system: System, collector: Collector
) -> None:
    """Neither address nor user nor password nor names nor texts of files."""
    canaries = {name: f"canary{secrets.token_hex(8)}" for name in ("folder", "user", "password", "file")}
    (server.folder / f"{canaries['file']}.txt").write_text(canaries["file"])
    (server.folder / canaries["folder"]).mkdir()
    good = add(client, owner, server)
    bad = add(
        client,
        owner,
        server,
        url=f"{server.url}/{canaries['folder']}",
        user=canaries["user"],
        app_password=canaries["password"],
    )
    followed(client, owner, good["id"])
    followed(client, owner, bad["id"], "failed")
    trace = secrets.token_hex(16)
    parent = f"00-{trace}-{secrets.token_hex(8)}-01"
    client.get(PATH, token=owner.access_token, headers={"traceparent": parent})
    client.get(f"{PATH}/{uuid7()}", token=owner.access_token, headers={"traceparent": parent})
    collector.wait_for(trace, lambda spans: len({span.service for span in spans}) > 1)

    assert leaks(outputs(system, collector), canaries) == []


def test_adding_twice(client: Client, owner: User, server: WebDavServer, system: System) -> None:
    """One key is one source, also at once; with another body, also another password alone, it is refused."""
    headers = {"idempotency-key": owner.id}
    body = {"url": server.url, "user": USER, "app_password": PASSWORD}

    def create(user: User, **changed: str) -> Answer:
        return client.post(PATH, headers=headers, token=user.access_token, json=body | changed)

    with ThreadPoolExecutor(4) as clients:
        answers = list(clients.map(lambda _: create(owner), range(4)))
    other = create(owner, app_password="another")
    of_another_user = create(client.join())

    assert {answer.outcome for answer in answers} == {(201, None)}
    assert len({answer.data["id"] for answer in answers}) == 1
    assert [answer.headers.get("idempotency-replayed") for answer in answers].count(None) == 1
    assert (other.outcome, other.fields) == ((422, "VALIDATION_ERROR"), {"Idempotency-Key"})
    assert (of_another_user.status, of_another_user.headers.get("idempotency-replayed")) == (201, None)
    assert of_another_user.data["id"] != answers[0].data["id"]
    assert len(client.get(PATH, token=owner.access_token).data) == 1
    kept = str(system.rows("SELECT attempts::text FROM knowledge.attempts WHERE user_id = $1", owner.id))
    assert owner.id in kept
    for secret in (PASSWORD, server.url, USER):
        assert secret.encode().hex() not in kept


def test_the_same_folder_twice(client: Client, owner: User, server: WebDavServer) -> None:
    """Is a conflict, also with another app password, until the first source is deleted."""
    first = add(client, owner, server)
    body = {"url": f"{server.url}/", "user": USER, "app_password": "another"}

    assert client.post(PATH, token=owner.access_token, json=body).outcome == (409, "CONFLICT")
    assert client.delete(f"{PATH}/{first['id']}", token=owner.access_token).status == 204
    add(client, owner, server)


@pytest.mark.nightly
def test_a_lost_response(client: Client, owner: User, server: WebDavServer, system: System) -> None:
    """knowledge-service dies after it has added a source: the retry returns that one."""
    headers = {"idempotency-key": owner.id}
    body = {"url": server.url, "user": USER, "app_password": PASSWORD}
    create = partial(client.post, PATH, headers=headers, token=owner.access_token, json=body)
    held = HeldResponses(system, "knowledge")
    held.hold()
    try:
        with ThreadPoolExecutor(1) as clients:
            lost = clients.submit(create)
            held.wait(1)
            system.kill("knowledge-service")
            assert lost.result().status in (503, 504)
    finally:
        held.let_go()
    held.end_leases()
    system.start("knowledge-service")

    found, replayed = (create() for _ in range(2))

    assert (found.status, found.headers.get("idempotency-replayed")) == (201, None)
    assert (replayed.data, replayed.headers.get("idempotency-replayed")) == (found.data, "true")
    assert [each["id"] for each in client.get(PATH, token=owner.access_token).data] == [found.data["id"]]


def test_a_search_takes_a_key(client: Client, owner: User) -> None:
    """It changes nothing, so it runs again, also with another question; a malformed key is refused."""

    def search(key: str, question: str) -> Answer:
        body, headers = {"query": question}, {"idempotency-key": key}
        return client.post("/api/knowledge/search", headers=headers, token=owner.access_token, json=body)

    for question in ("warfarin", "aspirin"):
        answer = search(owner.id, question)
        assert (answer.outcome, answer.headers.get("idempotency-replayed")) == ((200, None), None)
    assert search("k" * 129, "warfarin").fields == {"Idempotency-Key"}
