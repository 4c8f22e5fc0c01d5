"""What clients ask while something happens to the release: 50 requests per second, which wait for no other.

`CLUSTER_RATE` sets another rate, for a machine that is short of cores.

Reads, sign-ins, refreshes, and writes that are made again by their Idempotency-Key, as a client that follows
the contract does. A read that fails counts as failed; so does a write that fails three times.
"""

import asyncio
import itertools
import os
import secrets
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import httpx

RATE = float(os.environ.get("CLUSTER_RATE", "50"))
USERS = 8
TRIES = 3
REGISTER, LOGIN, REFRESH, ME = "/api/auth/register", "/api/auth/login", "/api/auth/refresh", "/api/users/me"
# Of twenty requests: reads of one's own record and of the keys, sign-ins, refreshes, writes.
COURSE = ("me", "me", "keys", "me", "login", "me", "write", "me", "keys", "refresh") * 2


@dataclass
class User:
    """A signed-in user."""

    email: str
    password: str
    tokens: dict[str, Any] = field(default_factory=dict)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def bearer(self) -> dict[str, str]:
        """The header that proves it."""
        return {"Authorization": f"Bearer {self.tokens['access_token']}"}


@dataclass
class Tally:
    """How requests went.

    Attributes:
        made: How many requests, repetitions not counted.
        repeated: How often a write was made again.
        failed: What went wrong, with the moment since the beginning.
        slowest_seconds: The slowest answer.
        load: Of the machine that asks, at the end.
    """

    made: int = 0
    repeated: int = 0
    failed: list[str] = field(default_factory=list)
    slowest_seconds: float = 0.0
    kinds: Counter[str] = field(default_factory=Counter)
    load: float = 0.0

    def __str__(self) -> str:
        return (
            f"{self.made} requests, {len(self.failed)} failed, {self.repeated} writes repeated,"
            f" slowest {self.slowest_seconds:.1f} s, load {self.load:.1f}"
        )


class Clients:
    """Users who ask at a steady rate, on a thread of their own.

    Args:
        url: Where the gateway is.
    """

    def __init__(self, url: str) -> None:
        self.tally = Tally()
        self._url = url
        self._users: list[User] = []
        self._stop = threading.Event()
        self._began = 0.0
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._ready = threading.Event()

    def start(self) -> None:
        """Signs the users up and begins to ask."""
        self._thread.start()
        if not self._ready.wait(60):
            self._stop.set()
            raise AssertionError(f"no user could be signed up: {self.tally.failed[:3]}")

    def stop(self) -> Tally:
        """Ends, once everything that was asked is answered."""
        self._stop.set()
        self._thread.join()
        self.tally.load = os.getloadavg()[0]
        return self.tally

    async def _run(self) -> None:
        limits = httpx.Limits(max_connections=200, max_keepalive_connections=50)
        async with httpx.AsyncClient(base_url=self._url, timeout=15, limits=limits) as http:
            for _ in range(USERS):
                self._users.append(await self._join(http))
            self._began = time.monotonic()
            self._ready.set()
            asked: set[asyncio.Task[None]] = set()
            for number, kind in enumerate(itertools.cycle(COURSE)):
                if self._stop.is_set():
                    break
                delay = self._began + number / RATE - time.monotonic()
                await asyncio.sleep(max(0.0, delay))
                # In another order each time, so that every user refreshes before their token expires.
                user = self._users[(number + number // len(COURSE)) % USERS]
                task = asyncio.ensure_future(self._ask(http, kind, user))
                asked.add(task)
                task.add_done_callback(asked.discard)
            await asyncio.gather(*asked)

    async def _join(self, http: httpx.AsyncClient) -> User:
        user = User(f"load-{secrets.token_hex(8)}@example.com", secrets.token_urlsafe(18))
        body = {"email": user.email, "password": user.password, "full_name": "Cluster Load"}
        await self._write(http, REGISTER, body, {201})
        user.tokens = (await self._write(http, LOGIN, self._secret(user), {200})).json()["data"]
        return user

    @staticmethod
    def _secret(user: User) -> dict[str, str]:
        return {"email": user.email, "password": user.password}

    async def _ask(self, http: httpx.AsyncClient, kind: str, user: User) -> None:
        self.tally.made += 1
        self.tally.kinds[kind] += 1
        started = time.monotonic()
        try:
            await self._ways[kind](self, http, user)
        except (httpx.HTTPError, AssertionError) as error:
            at = started - self._began
            said = str(error) or type(error).__name__
            self.tally.failed.append(f"{at:.1f} s, {kind}: {said}"[:200])
        self.tally.slowest_seconds = max(self.tally.slowest_seconds, time.monotonic() - started)

    async def _me(self, http: httpx.AsyncClient, user: User) -> None:
        self._expect(await http.get(ME, headers=user.bearer), {200})

    async def _keys(self, http: httpx.AsyncClient, user: User) -> None:
        del user
        self._expect(await http.get("/.well-known/jwks.json"), {200})

    async def _login(self, http: httpx.AsyncClient, user: User) -> None:
        await self._write(http, LOGIN, self._secret(user), {200})

    async def _refresh(self, http: httpx.AsyncClient, user: User) -> None:
        async with user.turn:
            body = {"refresh_token": user.tokens["refresh_token"]}
            user.tokens = (await self._write(http, REFRESH, body, {200})).json()["data"]

    async def _register(self, http: httpx.AsyncClient, user: User) -> None:
        del user
        new = {"email": f"load-{secrets.token_hex(8)}@example.com", "password": secrets.token_urlsafe(18)}
        await self._write(http, REGISTER, {**new, "full_name": "Cluster Load"}, {201})

    _ways: ClassVar[dict[str, Callable[..., Awaitable[None]]]] = {
        "me": _me,
        "keys": _keys,
        "login": _login,
        "refresh": _refresh,
        "write": _register,
    }

    async def _write(
        self, http: httpx.AsyncClient, path: str, body: dict[str, str], expected: set[int]
    ) -> httpx.Response:
        """Makes a write, and makes it again under the same key when it is not known what became of it."""
        headers = {"Idempotency-Key": secrets.token_hex(16)}
        for attempt in range(1, TRIES + 1):
            pause_seconds = 0.5 * attempt
            try:
                answer = await http.post(path, json=body, headers=headers)
            except httpx.TransportError:
                if attempt == TRIES:
                    raise
            else:
                if answer.status_code not in (409, 503, 504) or attempt == TRIES:
                    self._expect(answer, expected)
                    return answer
                pause_seconds = max(pause_seconds, float(answer.headers.get("Retry-After", 0)))
            self.tally.repeated += 1
            await asyncio.sleep(pause_seconds)
        raise AssertionError

    @staticmethod
    def _expect(answer: httpx.Response, statuses: set[int]) -> None:
        assert answer.status_code in statuses, f"{answer.status_code} {answer.text[:120]}"


@contextmanager
def clients(url: str) -> Iterator[Tally]:
    """Keeps asking while something happens; the tally is whole afterwards."""
    asking = Clients(url)
    asking.start()
    try:
        yield asking.tally
    finally:
        asking.stop()
