"""Documents of attackers, and of users who lose a right, at the edge of the running system."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.fakes.webdav_server import WebDavServer, running_webdav_server
from tests.knowledge_service.adapters.test_text_extraction import bomb, laughing, pdf, word
from tests.system.client import Answer, Client, User
from tests.system.test_knowledge import found, put
from tests.system.test_sources import PATH, add, titles
from tests.waiting import wait_for

pytestmark = pytest.mark.nightly

FILES: dict[str, tuple[Callable[[], bytes], str]] = {
    "pages.pdf": (lambda: pdf(*["A page."] * 10_000), "TOO_MANY_PAGES"),
    "bomb.docx": (lambda: bomb(65 * 1024 * 1024), "TOO_LARGE"),
    "entities.docx": (laughing, "BROKEN"),
    "word.pdf": (word, "BROKEN"),
    "page.docx": (lambda: pdf("A page."), "BROKEN"),
    "picture.pdf": (lambda: pdf(""), "NO_TEXT"),
    "secret.pdf": (lambda: pdf("Secret.", user_password="secret"), "ENCRYPTED"),
    "program.exe": (lambda: b"MZ", "UNSUPPORTED_TYPE"),
    "bytes.txt": (lambda: b"\xff\xff\xff", "BROKEN"),
}
"""What a folder holds besides a good file, with the reason that each is listed with."""


@pytest.fixture(name="server")
def _server(tmp_path: Path) -> Iterator[WebDavServer]:
    with running_webdav_server(tmp_path) as server:
        yield server


def test_hostile_files(client: Client, server: WebDavServer) -> None:
    """Each is listed with its reason, the good file is a document, and searches go on meanwhile."""
    owner = client.join()
    for name, (content, _) in FILES.items():
        (server.folder / name).write_bytes(content())
    (server.folder / "good.pdf").write_bytes(pdf("Grapefruit raises the level of warfarin."))
    source = add(client, owner, server)
    slowest = 0.0

    def is_followed() -> bool:
        nonlocal slowest
        began = time.monotonic()
        found(client, owner)
        slowest = max(slowest, time.monotonic() - began)
        return bool(client.get(f"{PATH}/{source['id']}", token=owner.access_token).data["state"] == "current")

    wait_for(is_followed, 90)

    data = client.get(f"{PATH}/{source['id']}", token=owner.access_token).data
    skipped = {each["path"]: each["reason"] for each in data["skipped_files"]}
    assert skipped == {name: reason for name, (_, reason) in FILES.items()}
    assert titles(client, owner) == {"good.pdf"}
    assert slowest < 5


def test_a_role_that_is_lost_between_two_pages(client: Client, admin: User) -> None:
    """The next page has only what the caller may see then, not what the cursor was made for."""
    user = client.join(proven=True)
    own = {put(client, user).data["id"] for _ in range(2)}
    shared = {put(client, admin, visibility="role:admin").data["id"] for _ in range(3)}

    def listed(role: str, **params: object) -> Answer:
        nonlocal user
        changed = client.put(f"/api/users/{user.id}", token=admin.access_token, json={"role": role})
        assert changed.status == 200, changed.text
        user = client.sign_in(user)
        return client.get("/api/knowledge/documents", token=user.access_token, params=params)

    first = listed("admin", page_size=2)
    assert {each["id"] for each in first.data} < shared
    second = listed("user", page_size=100, cursor=first.pagination["next_cursor"])
    ids = {each["id"] for each in second.data}
    assert own <= ids
    assert not shared & ids
    for each in shared:
        client.delete(f"/api/knowledge/documents/{each}", token=admin.access_token)


def test_who_is_admin_no_more(client: Client, admin: User) -> None:
    """What is shared with admins is gone with the role, whatever the token said; a new admin sees it."""
    word = f"w{uuid4().hex}"
    put(client, admin, text=word, visibility="role:admin")
    user = client.join(proven=True)
    assert found(client, user, word) == []

    for role, sees in (("admin", 1), ("user", 0)):
        changed = client.put(f"/api/users/{user.id}", token=admin.access_token, json={"role": role})
        assert changed.status == 200, changed.text

        body = {"query": word}
        refused = client.post("/api/knowledge/search", token=user.access_token, json=body)
        assert refused.outcome == (401, "TOKEN_REVOKED")
        user = client.sign_in(user)
        assert len(found(client, user, word)) == sees
