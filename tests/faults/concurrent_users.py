"""Users who use the system during a fault, each with one call at a time."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Self

from tests.faults.history import Call, History
from tests.faults.ingress import Ingress
from tests.system.client import PASSWORD, new_email

ANSWER_SECONDS = 60.0
_PAUSE_SECONDS = 0.05


class UserThread(threading.Thread):
    """One user: registers, signs in, and then reads, renames, refreshes and sometimes signs out.

    A call whose outcome is unknown is repeated under the same `Idempotency-Key`, as the contract
    invites clients to do, until it is answered.
    """

    def __init__(self, number: int, urls: Sequence[str], history: History, stop: threading.Event) -> None:
        super().__init__(name=f"member-{number}", daemon=True)
        self.error: BaseException | None = None
        self._ingress = Ingress(urls, history, self.name)
        self._urls = urls
        self._stop_asked = stop
        self._random = random.Random(number)
        self._email = ""
        self._tokens: dict[str, Any] = {}
        self._names = 0
        self._keys = 0

    def run(self) -> None:
        """Makes calls until asked to stop."""
        try:
            self._register()
            self._sign_in()
            steps: list[tuple[Callable[[], None], int]] = [
                (self._read, 20),
                (self._rename, 6),
                (self._refresh, 4),
                (self._leave_and_come_back, 1),
            ]
            while not self._stop_asked.is_set():
                (step,) = self._random.choices([each for each, _ in steps], [often for _, often in steps])
                step()
                time.sleep(_PAUSE_SECONDS)
        except BaseException as error:  # noqa: BLE001 raised by ConcurrentUsers
            self.error = error
        finally:
            self._ingress.close()

    def _register(self) -> None:
        self._email = new_email()
        body = {"email": self._email, "password": PASSWORD, "full_name": "0"}
        self._until_answered("register", "POST", "/api/auth/register", body=body, sent={"email": self._email})

    def _sign_in(self) -> None:
        body = {"email": self._email, "password": PASSWORD}
        while True:
            call, data = self._until_answered("login", "POST", "/api/auth/login", body=body)
            if call.acknowledged:
                self._tokens = data
                return
            time.sleep(_PAUSE_SECONDS)

    def _read(self) -> None:
        self._ingress.call("read", "GET", "/api/users/me", token=self._access, sent={"token": self._access})

    def _rename(self) -> None:
        self._names += 1
        body = {"full_name": str(self._names)}
        self._ingress.call(
            "rename", "PUT", "/api/users/me", token=self._access, body=body, sent={"name": self._names}
        )

    def _refresh(self) -> None:
        refresh_token = self._tokens["refresh_token"]
        call, data = self._until_answered(
            "refresh",
            "POST",
            "/api/auth/refresh",
            body={"refresh_token": refresh_token},
            sent={"refresh_token": refresh_token},
        )
        if call.acknowledged:
            self._tokens = data

    def _leave_and_come_back(self) -> None:
        """Signs out, checks at every gateway that the token is refused, and signs in again."""
        token = self._access
        call, _ = self._ingress.call("logout", "POST", "/api/auth/logout", token=token, sent={"token": token})
        if call.acknowledged:
            time.sleep(1.0)
            for url in self._urls:
                self._ingress.call(
                    "read", "GET", "/api/users/me", token=token, gateway=url, sent={"token": token}
                )
        self._sign_in()

    @property
    def _access(self) -> str:
        token: str = self._tokens["access_token"]
        return token

    def _until_answered(
        self, kind: str, method: str, path: str, *, sent: dict[str, Any] | None = None, **call: Any
    ) -> tuple[Call, Any]:
        self._keys += 1
        key = f"{self.name}-{self._keys}"
        until = time.monotonic() + ANSWER_SECONDS
        while True:
            noted, data = self._ingress.call(
                kind, method, path, key=key, sent={"key": key, **(sent or {})}, **call
            )
            if not noted.in_doubt:
                return noted, data
            assert time.monotonic() < until, f"{kind} is not answered: {noted}"
            time.sleep(0.2)


class ConcurrentUsers:
    """Several users at the same time."""

    def __init__(self, urls: Sequence[str], history: History, size: int, *, first: int = 0) -> None:
        self._stop = threading.Event()
        self._threads = [UserThread(first + number, urls, history, self._stop) for number in range(size)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(ANSWER_SECONDS + 30)
        errors = [thread.error for thread in self._threads if thread.error is not None]
        if errors:
            raise errors[0]
