"""Requests that are no HTTP, which uvicorn would answer by itself: an app may answer them in its own form.

An app whose attribute `answers_refusals` is true is called with what can be read of such a
request and finds what is wrong with it in its scope, as an extension of ASGI. Others leave it
to be answered in plain text. The connection ends with the answer either way.
"""

import asyncio
import re
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from chassis.http.declined_upgrades import DecliningProtocol

EXTENSION = "vestibule.refusal"


@dataclass(frozen=True, slots=True)
class Refusal:
    """What is wrong with a request.

    Attributes:
        status: The HTTP status that says so.
        message: The same in words.
    """

    status: int
    message: str


MALFORMED = Refusal(400, "The request is not HTTP, or its method is unknown.")

# A method holds no colon, or the fields of a head would be taken for request lines.
_REQUEST_LINE = re.compile(
    rb"(?:^|\n)([^ :\r\n]{1,32}) +([!-~\x80-\xff]{1,8192})( +HTTP/[^\r\n]*)?(?=\r?\n|$)"
)
_FIELD = re.compile(rb"\r?\n([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n]*?)[ \t]*(?=\r?\n|$)")
_SHOWN_BYTES_MAX = 64 * 1024


class RefusingProtocol(DecliningProtocol):
    """uvicorn's protocol for HTTP/1.1, with refusals that the app answers."""

    _answering: RequestResponseCycle | None = None
    """The request that is being answered; `cycle` is the last one read, which may wait behind it."""

    misread = MALFORMED
    """What is said of a request at which the parser gave up."""

    _in_head = True
    _refused = False
    _latest = b""

    def data_received(self, data: bytes) -> None:
        """Takes bytes in, until some of them were refused."""
        if self._refused:
            return
        self._latest = data
        super().data_received(data)
        self._latest = b""

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has left, which whoever answers it is to know."""
        super().connection_lost(exc)
        self.pipeline.clear()
        cycle = self._answering
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()

    def send_400_response(self, msg: str) -> None:
        """Refuses what the parser does not understand."""
        del msg
        self.refuse(self.misread)

    def on_headers_complete(self) -> None:
        """The head is there."""
        super().on_headers_complete()
        self._in_head = False
        # What follows a body in chunks is no part of the head (RFC 9110, 6.5.1).
        self.headers = []

    def on_message_complete(self) -> None:
        """The next head may come."""
        if self._stopped:
            return
        self._in_head = True
        super().on_message_complete()

    def refuse(self, refusal: Refusal) -> None:
        """Answers that a request cannot be taken, behind the answers still due, and ends the connection."""
        if self._refused:
            return
        self._refused = True
        transport: Any = self.transport
        last: Any = self.cycle
        if transport is None or transport.is_closing():
            return
        if not self._in_head and last is not None:
            self._refuse_rest(last, refusal)
        elif getattr(self.app, "answers_refusals", False):
            self._have_answered(refusal)
        elif last is None or last.response_complete:
            transport.write(_plain(refusal))
            transport.close()
        else:
            last.keep_alive = False

    def _refuse_rest(self, cycle: RequestResponseCycle, refusal: Refusal) -> None:
        """Tells whoever reads the body that no more of it will come."""
        if cycle.response_complete:
            self.transport.close()
            return
        cycle.keep_alive = False
        extensions: Any = cycle.scope.setdefault("extensions", {})
        extensions[EXTENSION] = refusal
        cycle.more_body = False
        cycle.message_event.set()

    def _have_answered(self, refusal: Refusal) -> None:
        method, target, fields = self._asked()
        path, _, query = target.partition(b"?")
        scope: Any = {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": "1.1",
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "root_path": self.root_path,
            "method": method,
            "path": path.decode("latin-1"),
            "raw_path": path,
            "query_string": query,
            "headers": fields,
            "state": {},
            "extensions": {EXTENSION: refusal},
        }
        cycle = RequestResponseCycle(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=False,
            on_response=self.on_response_complete,
        )
        cycle.more_body = False
        before: Any = self.cycle
        self.cycle = cycle
        if before is None or before.response_complete:
            self._start_asgi_task(cycle, self.app)
        else:
            self.pipeline.appendleft((cycle, self.app))

    def _asked(self) -> tuple[str, bytes, list[tuple[bytes, bytes]]]:
        """Returns method, target and fields, as far as they can be read; the parser keeps none it refuses."""
        shown = self._latest[:_SHOWN_BYTES_MAX]
        lines = list(_REQUEST_LINE.finditer(shown))
        url: bytes = getattr(self, "url", b"")
        fields: list[tuple[bytes, bytes]] = list(getattr(self, "headers", None) or ())
        if not lines:
            return "", url, fields
        # Of requests that came together, the last is the one that was refused.
        line = next((line for line in reversed(lines) if line[3]), lines[0])
        return line[1].decode("latin-1"), url or line[2], _fields(shown, line.end()) or fields

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)


def _fields(head: bytes, at: int) -> list[tuple[bytes, bytes]]:
    """Returns the fields of a head, up to the first line that is none."""
    fields = []
    while match := _FIELD.match(head, at):
        fields.append((match[1].lower(), match[2]))
        at = match.end()
    return fields


def _plain(refusal: Refusal) -> bytes:
    text = refusal.message.encode()
    head = b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
    return STATUS_LINE[refusal.status] + head % len(text) + text
