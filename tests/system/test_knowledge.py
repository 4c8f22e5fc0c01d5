"""Documents and search, by the contract."""

import time
from typing import Any
from uuid import uuid4

import pytest
from chassis.ids import uuid7

from tests.system.client import PASSWORD, Answer, Client, User
from tests.system.running_system import System
from tests.waiting import wait_for

_TABLES = {"documents": "id", "passages": "document_id", "indexed_passages": "document_id"}

TEXT = "# Interactions\n\nGrapefruit juice raises the level of warfarin in the blood.\n"


def put(client: Client, user: User, document_id: str | None = None, **fields: Any) -> Answer:
    """Puts a document, a new one unless it is named."""
    body = {"title": "Warfarin", "text": TEXT, **fields}
    path = f"/api/knowledge/documents/{document_id or uuid7()}"
    return client.put(path, token=user.access_token, json=body)


def found(client: Client, user: User, query: str = "warfarin and grapefruit", **fields: Any) -> list[Any]:
    """Returns the passages that a search finds."""
    body = {"query": query, **fields}
    answer = client.post("/api/knowledge/search", token=user.access_token, json=body)
    assert answer.outcome == (200, None), answer.text
    assert not answer.data["degraded"]
    passages: list[Any] = answer.data["passages"]
    return passages


def test_a_document_is_found_when_it_is_answered(client: Client) -> None:
    ada, document_id = client.join(), str(uuid7())
    url = "https://example.org/warfarin"

    answer = put(client, ada, document_id, source_url=url)

    assert answer.outcome == (201, None), answer.text
    document = answer.data
    assert (document["id"], document["owner_id"], document["visibility"]) == (document_id, ada.id, "private")
    assert document["index_state"] == "complete"
    (passage,) = found(client, ada, "Can I eat grapefruit with blood thinners?")
    assert passage.pop("score") > 0
    begin, end = passage.pop("begin"), passage.pop("end")
    assert passage == {
        "document_id": document_id,
        "title": "Warfarin",
        "text": TEXT[begin:end],
        "source_url": url,
    }


def test_putting_again_replaces(client: Client) -> None:
    ada, document_id = client.join(), str(uuid7())
    assert put(client, ada, document_id).status == 201

    assert put(client, ada, document_id, text="Aspirin.").outcome == (200, None)

    read = client.get(f"/api/knowledge/documents/{document_id}", token=ada.access_token)
    assert (read.data["text"], read.data["source_url"]) == ("Aspirin.", None)
    assert [each["text"] for each in found(client, ada)] == ["Aspirin."]


@pytest.mark.parametrize(
    ("visibility", "user_sees", "admin_sees"),
    [("private", 404, 404), ("role:user", 200, 404), ("role:admin", 404, 200)],
)
def test_who_may_see(
    client: Client, ada: User, admin: User, visibility: str, user_sees: int, admin_sees: int
) -> None:
    owner, word = client.join(), f"w{uuid4().hex}"
    document_id = put(client, owner, text=f"{word} {TEXT}", visibility=visibility).data["id"]
    path = f"/api/knowledge/documents/{document_id}"

    for user, status in ((owner, 200), (ada, user_sees), (admin, admin_sees)):
        assert client.get(path, token=user.access_token).status == status
        assert (document_id in {each["document_id"] for each in found(client, user, word, limit=20)}) is (
            status == 200
        )
    refused = 403 if user_sees == 200 else 404
    assert put(client, ada, document_id).status == refused
    assert client.delete(path, token=ada.access_token).status == refused
    assert client.delete(path, token=admin.access_token).status == 204
    assert client.get(path, token=owner.access_token).status == 404


def test_only_an_admin_shares_with_everyone(client: Client, ada: User, admin: User) -> None:
    assert put(client, ada, visibility="everyone").outcome == (403, "FORBIDDEN")
    word = f"w{uuid4().hex}"
    document_id = put(client, admin, text=word, visibility="everyone").data["id"]

    assert [each["document_id"] for each in found(client, ada, word, limit=1)] == [document_id]
    path = f"/api/knowledge/documents/{document_id}"
    assert client.delete(path, token=admin.access_token).status == 204


def test_lists_have_pages_without_text(client: Client) -> None:
    ada = client.join()
    ids = [put(client, ada).data["id"] for _ in range(3)]

    answer = client.get("/api/knowledge/documents?page_size=2", token=ada.access_token)

    own = [each for each in answer.data if each["owner_id"] == ada.id]
    assert [each["id"] for each in own] == ids[:0:-1]
    assert all(each["text"] is None for each in answer.data)
    cursor = answer.body["metadata"]["pagination"]["next_cursor"]
    path = f"/api/knowledge/documents?page_size=2&cursor={cursor}"
    following = client.get(path, token=ada.access_token)
    assert following.data[0]["id"] == ids[0]
    for wrong in ("page=0", "page_size=101", "cursor=nonsense"):
        refused = client.get(f"/api/knowledge/documents?{wrong}", token=ada.access_token)
        assert refused.outcome == (422, "VALIDATION_ERROR")


def test_a_deleted_document_is_gone_from_search(client: Client) -> None:
    ada = client.join()
    document_id = put(client, ada).data["id"]

    gone = client.delete(f"/api/knowledge/documents/{document_id}", token=ada.access_token)

    assert gone.status == 204
    assert document_id not in {each["document_id"] for each in found(client, ada, limit=20)}


def test_a_mebibyte_is_taken_and_more_is_not(client: Client, ada: User) -> None:
    # Words that the embedder does not know: a thousand passages of known ones take it more than a minute.
    mebibyte = " ".join(["x" * 255] * 4096) + "x"
    answer = put(client, ada, text=mebibyte)
    assert answer.outcome == (201, None), answer.text
    document_id = answer.data["id"]
    assert put(client, ada, document_id, text=mebibyte + "x").outcome == (422, "VALIDATION_ERROR")
    too_large = put(client, ada, document_id, text="x" * 10_000_000)
    assert too_large.outcome == (413, "PAYLOAD_TOO_LARGE")
    assert "The body is larger than 6208 KiB." in too_large.text
    path = f"/api/knowledge/documents/{document_id}"
    assert client.get(path, token=ada.access_token).data["text"] == mebibyte
    assert client.delete(path, token=ada.access_token).status == 204


@pytest.mark.parametrize(
    "fields",
    [
        {"text": "with\0NUL"},
        {"text": ""},
        {"text": "\n\t \u3000"},
        {"title": "two\nlines"},
        {"source_url": "javascript:alert(1)"},
        {"source_url": "https://ada:secret@example.org/"},
        {"visibility": "role:root"},
        {"unknown": 1},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_bad_documents_are_refused(client: Client, ada: User, fields: dict[str, Any]) -> None:
    assert put(client, ada, **fields).outcome == (422, "VALIDATION_ERROR")


def test_broken_utf_8_is_refused(client: Client, ada: User) -> None:
    answer = client.put(
        f"/api/knowledge/documents/{uuid7()}",
        token=ada.access_token,
        content=b'{"title": "\xff", "text": "x"}',
        headers={"Content-Type": "application/json"},
    )
    assert answer.outcome == (400, "INVALID_JSON")


@pytest.mark.parametrize("query", ["a", "the of and", "варфарин", "ワルファリン", "?!", "x" * 1000])
def test_odd_questions_are_answered(client: Client, ada: User, query: str) -> None:
    found(client, ada, query)


@pytest.mark.parametrize(
    "body",
    [
        {"query": ""},
        {"query": " \n"},
        {"query": "\u202e"},
        {"query": "x" * 1001},
        {"query": "w", "limit": 0},
        {"query": "w", "limit": 21},
        {},
    ],
)
def test_bad_questions_are_refused(client: Client, ada: User, body: dict[str, Any]) -> None:
    answer = client.post("/api/knowledge/search", token=ada.access_token, json=body)
    assert answer.outcome == (422, "VALIDATION_ERROR")


def test_strangers_are_refused(client: Client) -> None:
    for answer in (
        client.get("/api/knowledge/documents"),
        client.post("/api/knowledge/search", json={"query": "warfarin"}),
        client.put(f"/api/knowledge/documents/{uuid7()}", json={"title": "x", "text": "x"}),
    ):
        assert answer.outcome == (401, "UNAUTHENTICATED")


def test_what_others_read_is_audited_by_id(client: Client, admin: User) -> None:
    owner, reader, word = client.join(), client.join(), f"w{uuid4().hex}"
    document_id = put(client, owner, text=word, visibility="role:user").data["id"]
    client.get(f"/api/knowledge/documents/{document_id}", token=reader.access_token)
    found(client, reader, word)

    def entries() -> list[Any]:
        path = f"/api/admin/audit-events?actor_id={reader.id}&page_size=100"
        rows = client.get(path, token=admin.access_token).data
        return [each for each in rows if each["action"].startswith("knowledge.")]

    wait_for(lambda: {"knowledge.read", "knowledge.search"} <= {each["action"] for each in entries()})
    for each in entries():
        assert document_id in each["details"]["documents"]
        assert word not in str(each)
        assert each["ip"] == "127.0.0.1"


def test_progress_is_streamed(client: Client) -> None:
    """To the caller, of the caller's documents, until all are indexed."""
    ada = client.join()
    put(client, ada)

    answer = client.get("/api/knowledge/progress", token=ada.access_token)

    assert answer.status == 200
    assert '"documents":1,"waiting":0,"words":0,"sources":0' in answer.text
    assert answer.text.rstrip().splitlines()[-2] == "event: end"
    assert client.get("/api/knowledge/progress").outcome == (401, "UNAUTHENTICATED")


def test_the_export_has_the_documents(client: Client) -> None:
    ada = client.join()
    for number in range(3):
        put(client, ada, text=f"{number} {TEXT}", source_url="https://example.org")

    answer = client.get("/api/users/me/export", token=ada.access_token)

    assert answer.outcome == (200, None)
    documents = answer.data["documents"]
    assert sorted(each["text"] for each in documents) == [f"{number} {TEXT}" for number in range(3)]
    assert {each["source_url"] for each in documents} == {"https://example.org"}
    assert answer.data["documents_truncated"] is False


def test_erasing_a_user_erases_the_documents(client: Client, system: System) -> None:
    ada, other, word = client.join(), client.join(), f"w{uuid4().hex}"
    document_id = put(client, ada, text=word, visibility="role:user").data["id"]
    assert document_id in {each["document_id"] for each in found(client, other, word)}
    body = {"password": PASSWORD}
    assert client.call("DELETE", "/api/users/me", token=ada.access_token, json=body).status == 204
    began = time.monotonic()

    wait_for(lambda: document_id not in {each["document_id"] for each in found(client, other, word)})

    assert time.monotonic() - began < 10
    wait_for(lambda: not any(_rows(system, table, document_id) for table in _TABLES))


def _rows(system: System, table: str, document_id: str) -> list[Any]:
    query = f"SELECT 1 FROM knowledge.{table} WHERE {_TABLES[table]} = $1::text::uuid"
    return system.rows(query, document_id)


@pytest.mark.nightly
def test_documents_go_with_a_user_who_is_erased_while_the_service_is_down(
    client: Client, system: System
) -> None:
    ada = client.join()
    document_id = put(client, ada).data["id"]

    with system.without("knowledge-service"):
        body = {"password": PASSWORD}
        assert client.call("DELETE", "/api/users/me", token=ada.access_token, json=body).status == 204

    wait_for(lambda: not any(_rows(system, table, document_id) for table in _TABLES))
