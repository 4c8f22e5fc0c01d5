"""Checks Redis or Valkey: `PING`, replication and memory, and the events that could not be handled.

Spoken with hiredis alone: the client library would cost this process 20 MB and a third of its start.
"""

import asyncio
import ssl
import time
from urllib.parse import unquote, urlsplit

import hiredis

from health_aggregator.adapters import findings
from health_aggregator.domain.check import CheckResult

_FULL_SHARE = 0.9
_EVENTS = "vestibule:events"
_LIMIT_BYTES = 64 * 1024
_PORT = 6379


class _NotRedisError(Exception):
    """The response is not RESP, or too long."""


class RedisCheck:
    """Sends commands on a connection that is kept, and replaced when it breaks.

    Args:
        url: `redis://…` or `rediss://…`, with credentials and database.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: _Connection | None = None

    async def __call__(self, timeout_seconds: float) -> CheckResult:  # noqa: ARG002 the caller enforces it
        """Checks once."""
        started = time.monotonic()
        try:
            if self._connection is None:
                self._connection = await _connect(self._url)
            replies = await self._connection.ask(
                ("PING",), ("INFO", "replication"), ("INFO", "memory"), ("XINFO", "GROUPS", _EVENTS)
            )
            problem = await _event_problem(self._connection, replies.pop())
        except OSError as error:
            await self.close()
            return findings.unconnected(started, error, "redis")
        except hiredis.ReplyError as error:
            return _refused(error, started)
        except (_NotRedisError, hiredis.ProtocolError) as error:
            await self.close()
            return findings.down(started, "does not answer as Redis does", str(error))
        except BaseException:
            # Cancelled in the middle of a response: this connection cannot be used any more.
            await self.close()
            raise
        result = (
            _evaluate(replies, started) if problem is None else _evaluate_events(replies, problem, started)
        )
        if not result.success:
            await self.close()
        return result

    async def close(self) -> None:
        """Closes the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.writer.transport.abort()


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer
        self._parser = hiredis.Reader(encoding="utf-8", errors="replace")

    async def ask(self, *commands: tuple[str, ...]) -> list[object]:
        """Sends commands together and returns their replies; an error reply is one of them."""
        self.writer.write(b"".join(hiredis.pack_command(command) for command in commands))  # type: ignore[arg-type]
        replies: list[object] = []
        received = 0
        while len(replies) < len(commands):
            data = await self._reader.read(_LIMIT_BYTES)
            received += len(data)
            if not data:
                raise ConnectionResetError
            if received > _LIMIT_BYTES:
                raise _NotRedisError("answers more than 64 KiB")
            self._parser.feed(data)
            while (reply := self._parser.gets()) is not False:
                replies.append(reply)
        return replies


async def _connect(url: str) -> _Connection:
    parts = urlsplit(url)
    tls = ssl.create_default_context() if parts.scheme == "rediss" else None
    reader, writer = await asyncio.open_connection(
        parts.hostname, parts.port or _PORT, ssl=tls, limit=_LIMIT_BYTES
    )
    connection = _Connection(reader, writer)
    greeting: list[tuple[str, ...]] = []
    if parts.password:
        user = (unquote(parts.username),) if parts.username else ()
        greeting.append(("AUTH", *user, unquote(parts.password)))
    if parts.path.strip("/"):
        greeting.append(("SELECT", parts.path.strip("/")))
    try:
        replies = await connection.ask(*greeting)
    except BaseException:
        writer.transport.abort()
        raise
    for reply in replies:
        if isinstance(reply, hiredis.ReplyError):
            writer.transport.abort()
            raise reply
    return connection


def _evaluate(replies: list[object], started: float) -> CheckResult:
    for reply in replies:
        if isinstance(reply, hiredis.ReplyError):
            return _refused(reply, started)
    if replies[0] not in {"PONG", b"PONG"}:
        return findings.down(started, "does not answer as Redis does")
    facts = _facts(replies[1]) | _facts(replies[2])
    if facts.get("role") == "slave" and facts.get("master_link_status") != "up":
        return findings.degraded(started, "has lost the primary that it follows")
    limit, used = _number(facts, "maxmemory"), _number(facts, "used_memory")
    if limit and used > _FULL_SHARE * limit:
        return findings.degraded(started, f"uses {used / limit:.0%} of its memory")
    return findings.up(started)


async def _event_problem(connection: _Connection, groups: object) -> str | None:
    """Returns what is wrong with the services' events; None when nothing is, or there is no event stream."""
    if not isinstance(groups, list):
        return None
    names = [str(_pairs(group).get("name", "")) for group in groups]
    asked = [
        command
        for name in names
        for command in (
            ("XLEN", f"vestibule:dead-letters:{name}"),
            ("GET", f"vestibule:refused-events:{name}"),
        )
    ]
    replies = await connection.ask(*asked) if asked else []
    found = []
    for name, letters, refused in zip(names, replies[::2], replies[1::2], strict=True):
        if isinstance(letters, int) and letters > 0:
            found.append(f"{name} could not handle {letters} event{'s' if letters > 1 else ''}")
        if isinstance(refused, str):
            found.append(f"{name} refuses events that no service of ours signed")
    return ", ".join(found) or None


def _pairs(reply: object) -> dict[object, object]:
    """Returns a map in RESP2 form, in which names and values alternate."""
    return dict(zip(reply[::2], reply[1::2], strict=False)) if isinstance(reply, list) else {}


def _evaluate_events(replies: list[object], problem: str, started: float) -> CheckResult:
    """Returns the result of a Redis that works, but has events that a service cannot handle."""
    result = _evaluate(replies, started)
    if result.error is not None:
        return result
    return findings.degraded(started, problem, "python -m <service> events list")


def _refused(reply: hiredis.ReplyError, started: float) -> CheckResult:
    code = str(reply).partition(" ")[0]
    words = {
        "LOADING": "is loading its data",
        "NOAUTH": "refuses the credentials",
        "WRONGPASS": "refuses the credentials",
        "NOPERM": "refuses the role the right to ask",
    }
    return findings.down(started, words.get(code, "refuses the command"), code)


def _facts(reply: object) -> dict[str, str]:
    if not isinstance(reply, str):
        return {}
    lines = (line.partition(":") for line in reply.splitlines())
    return {name: value for name, separator, value in lines if separator}


def _number(facts: dict[str, str], name: str) -> int:
    value = facts.get(name, "")
    return int(value) if value.isascii() and value.isdigit() else 0
