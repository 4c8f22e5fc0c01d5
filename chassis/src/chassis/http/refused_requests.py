"""Malformed requests, which the app may answer in its own format in place of uvicorn.

An app whose attribute `answers_refusals` is true is called with what can be read of such a request; the
refusal is an ASGI extension in its scope. For other apps the response is plain text. The connection is
closed after the response.
"""

import asyncio
import re
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from chassis.dataclass import dataclass
from chassis.http.declined_upgrades import DecliningProtocol

EXTENSION = "vestibule.refusal"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is refused.

    Attributes:
        status: The HTTP status.
        message: The reason for the client.
    """

    status: int
    message: str


MALFORMED = Refusal(400, "The request is not HTTP, or its method is unknown.")
FRAGMENT = Refusal(400, "Send the path without a fragment, and write # as %23.")

# Without colon in the method, so that header fields do not match.
_REQUEST_LINE = re.compile(
    rb"(?:^|\n)([^ :\r\n]{1,32}) +([!-~\x80-\xff]{1,8192})( +HTTP/[^\r\n]*)?(?=\r?\n|$)"
)
# White space around a value is stripped afterwards: a pattern that does it takes quadratic time.
_FIELD = re.compile(rb"\r?\n([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\r\n]*)(?=\r?\n|$)")
_SHOWN_BYTES_MAX = 64 * 1024


class RefusingProtocol(DecliningProtocol):
    """uvicorn's protocol for HTTP/1.1, with refusals that the app answers."""

    _answering: RequestResponseCycle | None = None
    """The request being answered; `cycle` is the last one parsed, which may wait behind it."""

    misread = MALFORMED
    """The refusal of a request that the parser rejects."""

    _in_head = True
    _refused = False
    _latest = b""

    def data_received(self, data: bytes) -> None:
        """Parses data, unless a request was refused."""
        if self._refused:
            return
        self._latest = data
        super().data_received(data)
        self._latest = b""

    def connection_lost(self, exc: Exception | None) -> None:
        """Notifies the app of the disconnect."""
        super().connection_lost(exc)
        self.pipeline.clear()
        cycle = self._answering
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()

    def send_400_response(self, msg: str) -> None:
        """Refuses what the parser rejects."""
        del msg
        self.refuse(self.misread)

    def on_headers_complete(self) -> None:
        """Ends the head."""
        if b"#" in self.url:
            self.misread = FRAGMENT
            raise ValueError("the target has a fragment")  # The parser stops, and the request is refused.
        super().on_headers_complete()
        self._in_head = False
        # Trailers are not part of the head (RFC 9110, 6.5.1).
        self.headers = []

    def on_message_complete(self) -> None:
        """Starts the next head."""
        if self._stopped:
            return
        self._in_head = True
        super().on_message_complete()

    def refuse(self, refusal: Refusal) -> None:
        """Refuses a request, after the responses still due, and closes the connection."""
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
            self._answer_by_app(refusal)
        elif last is None or last.response_complete:
            transport.write(_plain_response(refusal))
            transport.close()
        else:
            last.keep_alive = False

    def _refuse_rest(self, cycle: RequestResponseCycle, refusal: Refusal) -> None:
        """Ends the body of a request whose head was accepted."""
        if cycle.response_complete:
            self.transport.close()
            return
        cycle.keep_alive = False
        extensions: Any = cycle.scope.setdefault("extensions", {})
        extensions[EXTENSION] = refusal
        cycle.more_body = False
        cycle.message_event.set()

    def _answer_by_app(self, refusal: Refusal) -> None:
        method, target, fields = self._readable_head()
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

    def _readable_head(self) -> tuple[str, bytes, list[tuple[bytes, bytes]]]:
        """Returns method, target and fields, as far as they can be read from the data."""
        shown = self._latest[:_SHOWN_BYTES_MAX]
        lines = list(_REQUEST_LINE.finditer(shown))
        url: bytes = getattr(self, "url", b"")
        fields: list[tuple[bytes, bytes]] = list(getattr(self, "headers", None) or ())
        if not lines:
            return "", url, fields
        # Of pipelined requests, the last is the one that was refused.
        line = next((line for line in reversed(lines) if line[3]), lines[0])
        return line[1].decode("latin-1"), url or line[2], _fields(shown, line.end()) or fields

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)


def _fields(head: bytes, at: int) -> list[tuple[bytes, bytes]]:
    """Returns the fields of a head, up to the first line that is not one."""
    fields = []
    while match := _FIELD.match(head, at):
        fields.append((match[1].lower(), match[2].strip(b" \t")))
        at = match.end()
    return fields


def _plain_response(refusal: Refusal) -> bytes:
    text = refusal.message.encode()
    head = b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
    return STATUS_LINE[refusal.status] + head % len(text) + text
