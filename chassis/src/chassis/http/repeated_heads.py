"""Requests that repeat one that was answered before: the app may answer them without their head being read.

Clients send the same head again and again. The app leaves, by an extension of ASGI, a function that answers
the head that it has just answered; the next time that these bytes come from the same address, the function is
called in place of the parser, the scope, the task and the app. It decides each time whether it may answer:
what depends on anything but the head's bytes and the client's address is for it to check. When it does not
answer, it is forgotten, and the request is served as any other.

Heads are kept as digests, since they hold tokens. Their `X-Request-ID` is left out and given to the function:
proxies make a new one for each request.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle
from uvicorn.server import ServerState

from chassis.http.response_writer import ResponseWriterProtocol, header_lines

log = structlog.get_logger()

EXTENSION = "vestibule.remember"

HEAD_BYTES_MAX = 4096
"""The longest head that is kept, which has room for a token and for what browsers send."""

HEADS_MAX = 1024
"""How many heads are kept: some 4 MiB at most."""

Answer = Callable[[bytes], tuple[bytes, bytes] | None]
"""Answers a request with status 200, by the lines of its fields and a body; or does nothing and returns None.
Its argument is the client's `X-Request-ID`; empty for none."""

Remember = Callable[[Answer], None]
"""Leaves the answer of this request's head, as `EXTENSION`."""

_OK = STATUS_LINE[200]
_END = b"\r\n\r\n"
_NAME = b"x-request-id"
_NAMES = (b"\r\nX-Request-ID: ", b"\r\nx-request-id: ", b"\r\nX-Request-Id: ")


class _Heads(OrderedDict[bytes, Answer]):
    """The answers of one server, by digest of client and head; forgets the least recently used."""

    def remember(self, client: bytes, head: bytes, answer: Answer) -> None:
        """Keeps an answer, if the bytes are one head that holds no second request id."""
        head, _ = _without_id(head)
        if head.count(_END) != 1 or head.count(b"\n") != head.count(b"\r\n") or _NAME in head.lower():
            return
        self[_digest(client, head)] = answer
        if len(self) > HEADS_MAX:
            self.popitem(last=False)


_heads: WeakKeyDictionary[ServerState, _Heads] = WeakKeyDictionary()


class RepeatedHeadProtocol(ResponseWriterProtocol):
    """uvicorn's protocol for HTTP/1.1, with answers to repeated heads."""

    _whole = b""
    """The bytes being parsed, if they may be one whole head of a request without a body."""

    _answered_at = 0.0

    def connection_made(self, transport: Any) -> None:
        """Finds the server's answers."""
        super().connection_made(transport)
        self._heads = _heads.setdefault(self.server_state, _Heads())
        self._client = self.client[0].encode() if self.client else b""

    def data_received(self, data: bytes) -> None:
        """Answers a repeated head, or has the data parsed."""
        # Nothing follows the head: what does, even a line break, is the parser's concern.
        is_head = (
            data[:4] == b"GET " and len(data) <= HEAD_BYTES_MAX and data.find(_END) == len(data) - len(_END)
        )
        if is_head and self._is_free():
            if self._heads and self._repeat(data):
                return
            self._whole = data
        super().data_received(data)
        self._whole = b""

    def timeout_keep_alive_handler(self) -> None:
        """Closes the connection when it has been idle for long; repeats do not touch the timer."""
        left = self._answered_at + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self.timeout_keep_alive_task = self.loop.call_later(left, self.timeout_keep_alive_handler)
        else:
            super().timeout_keep_alive_handler()

    def _is_free(self) -> bool:
        """Whether a new head begins here, whose response may be written at once."""
        last: Any = self.cycle
        return (
            self._in_head
            and not self._head_bytes
            and not self._head_begun
            and not self._refused
            and (last is None or last.response_complete)
            and not self.pipeline
            and not self.flow.write_paused
            and self.limit_concurrency is None
            and not self.transport.is_closing()
        )

    def _repeat(self, data: bytes) -> bool:
        """Answers by what is kept for a head; returns whether it did."""
        head, request_id = _without_id(data)
        digest = _digest(self._client, head)
        answer = self._heads.get(digest)
        if answer is None:
            return False
        try:
            response = answer(request_id)
        except Exception:
            log.exception("a repeated request failed; it is served as any other")
            response = None
        if response is None:
            del self._heads[digest]
            return False
        self._heads.move_to_end(digest)
        fields, body = response
        date = header_lines(self.server_state.default_headers)
        self._batch.add(self.transport, b"".join((_OK, fields, date, b"\r\n", body)))
        self._offer = None
        self._cancel_timeout()
        self.server_state.total_requests += 1
        self._answered_at = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        return True

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if self._whole and cycle.keep_alive and cycle.scope["http_version"] == "1.1":
            remember = partial(self._heads.remember, self._client, self._whole)
            cycle.scope.setdefault("extensions", {})[EXTENSION] = remember  # type: ignore[assignment]
        super()._start_asgi_task(cycle, app)


def _without_id(head: bytes) -> tuple[bytes, bytes]:
    """Returns a head without its request id, and the id. The parser refuses values of several lines."""
    for name in _NAMES:
        at = head.find(name)
        if at >= 0:
            begin = at + len(name)
            end = head.index(b"\r\n", begin)
            return head[:at] + head[end:], head[begin:end]
    return head, b""


def _digest(client: bytes, head: bytes) -> bytes:
    return hashlib.sha256(client + b"\n" + head).digest()
