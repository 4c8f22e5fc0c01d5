"""The signing key is rotated while users work: no request is refused."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import jwt
import pytest

from tests.system.client import Answer, Client
from tests.system.running_system import System
from tests.waiting import wait_for

USERS = 3
PAUSE_SECONDS = 0.2


class Work:
    """Users who refresh, write and read all the time."""

    def __init__(self, url: str) -> None:
        self.refused: list[Answer] = []
        self.calls = 0
        self.signed_by: dict[int, str] = {}
        self._url = url
        self._done = threading.Event()

    def user(self, number: int) -> None:
        """Works until `end` is called."""
        with Client(self._url) as client:
            user = client.join()
            access, refresh = user.access_token, user.refresh_token
            while not self._done.is_set():
                refreshed = self._note(client.post("/api/auth/refresh", json={"refresh_token": refresh}))
                if refreshed.status == 200:
                    access, refresh = refreshed.data["access_token"], refreshed.data["refresh_token"]
                self._note(client.put("/api/users/me", token=access, json={"full_name": "Ada Lovelace"}))
                self._note(client.get("/api/auth/sessions", token=access))
                self.signed_by[number] = jwt.get_unverified_header(access)["kid"]
                time.sleep(PAUSE_SECONDS)

    def all_signed_by(self, kid: str) -> bool:
        """Whether the newest token of every user is signed by a key."""
        return len(self.signed_by) == USERS and set(self.signed_by.values()) == {kid}

    def end(self) -> None:
        """Ends the work after the calls in flight."""
        self._done.set()

    def _note(self, answer: Answer) -> Answer:
        self.calls += 1
        # 503 is for a busy machine; a key that is missing at one service shows as 401.
        if answer.status not in {200, 503}:
            self.refused.append(answer)
        return answer


@pytest.fixture(name="work")
def _work(base_url: str) -> Iterator[Work]:
    work = Work(base_url)
    with ThreadPoolExecutor(USERS) as pool:
        users: list[Future[None]] = [pool.submit(work.user, number) for number in range(USERS)]
        try:
            yield work
        finally:
            work.end()
    for user in users:
        user.result()


def test_rotation_under_load(client: Client, system: System, work: Work) -> None:
    """Published, active, retired and destroyed: not one request is refused meanwhile."""
    (old,) = _published(client)
    wait_for(lambda: work.all_signed_by(old))

    new = system.command("keys", "rotate").split()[0]
    wait_for(lambda: _published(client) == [new, old])
    wait_for(lambda: work.all_signed_by(new))
    assert [line.split()[:2] for line in system.command("keys", "list").splitlines()[1:]] == [
        [old, "retiring"],
        [new, "active"],
    ]

    # The last token of the old key is valid for 15 minutes, but no user has one any more.
    system.change("UPDATE auth.signing_keys SET removed_from = now() WHERE kid = $1", old)
    wait_for(lambda: _published(client) == [new])
    wait_for(lambda: system.rows("SELECT kid FROM auth.retired_signing_keys") == [(old,)])
    assert system.rows("SELECT kid FROM auth.signing_keys") == [(new,)]
    calls = work.calls
    wait_for(lambda: work.calls > calls + 10)
    work.end()

    assert [(answer.status, answer.text) for answer in work.refused] == []
    assert work.calls > 50


def _published(client: Client) -> list[str]:
    return [key["kid"] for key in client.get("/.well-known/jwks.json").body["keys"]]
