"""What an ingress does in front of two gateways; every call is recorded."""

import itertools
from collections.abc import Sequence
from typing import Any

import httpx

from tests.faults.history import Call, History, now

TIMEOUT_SECONDS = 15.0

_numbers = itertools.count()


class Ingress:
    """One client's connections to all gateways.

    Like an ingress it goes to the next gateway when one takes no connection, and repeats a
    GET whose connection broke; everything else that gets no answer stays without one.
    """

    def __init__(self, urls: Sequence[str], history: History, actor: str) -> None:
        self._clients = {url: httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS) for url in urls}
        self._turn = itertools.cycle(urls)
        self._history = history
        self._actor = actor

    def close(self) -> None:
        """Closes the connections."""
        for client in self._clients.values():
            client.close()

    def call(
        self,
        kind: str,
        method: str,
        path: str,
        *,
        token: str | None = None,
        body: dict[str, Any] | None = None,
        key: str | None = None,
        gateway: str | None = None,
        sent: dict[str, Any] | None = None,
    ) -> tuple[Call, Any]:
        """Makes a call and records it.

        Returns:
            The call as noted, and the data of its envelope.
        """
        request_id = f"{self._actor}-{next(_numbers)}"
        headers = {"x-request-id": request_id}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        if key is not None:
            headers["idempotency-key"] = key
        began = now()
        url, response = self._send(method, path, headers, body, gateway)
        call, data = self._noted(kind, url, request_id, began, response, sent or {})
        self._history.add(call)
        return call, data

    def _send(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: dict[str, Any] | None,
        gateway: str | None,
    ) -> tuple[str, httpx.Response | None]:
        first = gateway or next(self._turn)
        for url in (first, *(each for each in self._clients if each != first)):
            try:
                return url, self._clients[url].request(method, path, headers=headers, json=body)
            except httpx.ConnectError:
                pass
            except httpx.TransportError:
                if method != "GET":
                    return url, None
        return first, None

    def _noted(
        self,
        kind: str,
        url: str,
        request_id: str,
        began: float,
        response: httpx.Response | None,
        sent: dict[str, Any],
    ) -> tuple[Call, Any]:
        ended = now()
        if response is None:
            return Call(self._actor, kind, url, request_id, began, ended, 0, sent=sent), None
        envelope = response.json() if response.content else {"data": None, "error": None}
        code = envelope["error"]["code"] if envelope["error"] else None
        data = envelope["data"]
        if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            assert int(response.headers["retry-after"]) >= 1, "503 says when to come back"
        got = {name: data[name] for name in ("full_name", "refresh_token", "id") if data and name in data}
        call = Call(self._actor, kind, url, request_id, began, ended, response.status_code, code, sent, got)
        return call, data
