"""The two requests to the Kubernetes API that checks need, list and watch, as plain JSON over HTTP.

Importing Kubernetes' own client takes 85 MB of memory and a second of CPU time for models that are
not used here.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import httptools
import orjson
from chassis.dataclass import dataclass

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_READ_BYTES = 64 * 1024
_OK = 200


class ApiError(Exception):
    """The API refused a request or broke the connection.

    Attributes:
        status: Its status; 0 when it broke the connection.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(slots=True)
class _Answer:
    """Collects a response piece by piece."""

    status: int = 0
    body: bytearray = field(default_factory=bytearray)
    complete: bool = False

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete = True


def in_a_pod() -> bool:
    """Returns whether this is a pod with a service account, by which the API can be used."""
    return (_ACCOUNT / "namespace").is_file()


class KubernetesApi:
    """The API, used with a pod's service account.

    Args:
        url: Its URL, used without credentials; None for the pod's own cluster, with its service account.
        host: Its host in the pod's own cluster.
        port: Its port there.
    """

    def __init__(self, url: str | None, host: str = "kubernetes.default.svc", port: int = 443) -> None:
        self._account = url is None
        parts = urlsplit(url or f"https://{f'[{host}]' if ':' in host else host}:{port}")
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname or "", parts.port or (443 if self._secure else 80)
        self._netloc = parts.netloc

    async def namespace(self) -> str:
        """Returns the namespace of the pod.

        Raises:
            OSError: this is not a pod with a service account.
        """
        return (await asyncio.to_thread((_ACCOUNT / "namespace").read_text)).strip()

    async def get(self, path: str, *, within_seconds: float) -> dict[str, Any]:
        """Returns an object or a list.

        Raises:
            ApiError: the API refuses.
            OSError: it cannot be reached; TimeoutError when it does not respond.
        """
        async with asyncio.timeout(within_seconds), self._request(path) as (answer, reader, parser):
            while not answer.complete:
                await _feed(answer, reader, parser)
        if answer.status != _OK:
            raise ApiError(answer.status, _reason(answer))
        found: dict[str, Any] = orjson.loads(answer.body)
        return found

    async def watch(
        self, path: str, parameters: Mapping[str, str], *, silent_seconds: float
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Yields events until the API ends the watch.

        Raises:
            ApiError: the API refuses, or sends an error event.
            OSError: it cannot be reached; TimeoutError when it is silent for the time.
        """
        query = urlencode({"watch": "true", **parameters})
        async with self._request(f"{path}?{query}") as (answer, reader, parser):
            while True:
                *lines, rest = bytes(answer.body).split(b"\n")
                answer.body[:] = rest
                for line in lines if answer.status == _OK else ():
                    event: dict[str, Any] = orjson.loads(line)
                    if event.get("type") == "ERROR":
                        status = event.get("object") or {}
                        raise ApiError(int(status.get("code") or 0), str(status.get("reason") or "Error"))
                    yield event
                if answer.complete:
                    break
                async with asyncio.timeout(silent_seconds):
                    await _feed(answer, reader, parser)
        if answer.status != _OK:
            raise ApiError(answer.status, _reason(answer))

    @asynccontextmanager
    async def _request(self, path: str) -> AsyncIterator[tuple[_Answer, asyncio.StreamReader, Any]]:
        tls = await asyncio.to_thread(self._tls) if self._secure else None
        reader, writer = await asyncio.open_connection(self._host, self._port, ssl=tls)
        answer = _Answer()
        try:
            writer.write(await asyncio.to_thread(self._head, path))
            yield answer, reader, httptools.HttpResponseParser(answer)
        finally:
            writer.close()
            with suppress(OSError):
                writer.transport.abort()

    def _tls(self) -> ssl.SSLContext:
        """Loads the cluster's authority for each request, since it may be replaced."""
        return ssl.create_default_context(cafile=_ACCOUNT / "ca.crt" if self._account else None)

    def _head(self, path: str) -> bytes:
        lines = [f"GET {path} HTTP/1.1", f"Host: {self._netloc}", "Accept: application/json"]
        lines += ["User-Agent: vestibule-health", "Accept-Encoding: identity", "Connection: close"]
        if self._account:
            # The kubelet replaces the token every hour.
            lines.append(f"Authorization: Bearer {(_ACCOUNT / 'token').read_text().strip()}")
        return "\r\n".join([*lines, "", ""]).encode()


async def _feed(answer: _Answer, reader: asyncio.StreamReader, parser: Any) -> None:
    piece = await reader.read(_READ_BYTES)
    if not piece:
        raise ConnectionResetError("the Kubernetes API closed the connection")
    try:
        parser.feed_data(piece)
    except httptools.HttpParserError as error:
        raise ApiError(0, f"no HTTP: {error}") from error
    with suppress(httptools.HttpParserError):
        answer.status = parser.get_status_code()


def _reason(answer: _Answer) -> str:
    with suppress(ValueError, AttributeError):
        return str(orjson.loads(answer.body).get("reason") or answer.status)
    return str(answer.status)
