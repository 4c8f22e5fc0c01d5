"""Redis or Valkey for calls from many tasks: kept connections, traces, and errors that say what to do."""

import hashlib
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import hiredis

from chassis import tls
from chassis.redis_connection import AUTHORITIES, FAILURES, Command, RedisConnection, connect
from chassis.tracing import traces

_IDLE_MAX = 16
"""Connections kept for later calls; there may be more at once."""

_SAID_LENGTH = 200
_CREDENTIALS = re.compile(r"//[^@/\s]*@")
_ADVICE = (
    ("protected mode", "Redis takes no connections from outside: set a password there and in REDIS_URL"),
    ("invalid username-password", "correct the user and the password in REDIS_URL"),
    ("client already authenticated", "Redis wants a password: put it into REDIS_URL"),
    ("Authentication required", "Redis wants a password: put it into REDIS_URL"),
    ("no permissions", "the ACL of the user in REDIS_URL does not allow what this service does"),
    ("NOPERM", "the ACL of the user in REDIS_URL does not allow what this service does"),
    ("used memory", "Redis is full: raise its maxmemory"),
    ("read only replica", "REDIS_URL leads to a replica: name the server that writes"),
    ("Connection refused", "start Redis, or correct the host and port in REDIS_URL"),
    ("Connect call failed", "start Redis, or correct the host and port in REDIS_URL"),
    (
        "wrong version number",
        "Redis has no TLS at this port: correct the port in REDIS_URL, or write redis://",
    ),
    (
        "may want a client's certificate",
        "name one by ssl_certfile and ssl_keyfile in REDIS_URL, or set tls-auth-clients there",
    ),
    ("cannot be read", "mount the file, or correct its path"),
    ("No such file", "mount the file, or correct its path in REDIS_URL"),
    ("Name or service not known", "correct the host in REDIS_URL"),
)


def explain(error: BaseException) -> str:
    """Returns one line with Redis' error or the connection's, and what to do.

    It contains no arguments of commands and no password.
    """
    said = str(error) or type(error).__name__
    text = _CREDENTIALS.sub("//", " ".join(said.split()))[:_SAID_LENGTH]
    if isinstance(error, ssl.SSLCertVerificationError):
        advice: str | None = tls.correction(error, "Redis", "REDIS_URL", AUTHORITIES)
    else:
        advice = next((what for word, what in _ADVICE if word.lower() in said.lower()), None)
    return f"{type(error).__name__}: {text}" + (f" ({advice})" if advice else "")


class Script:
    """A Lua script on one key, sent once per server and named by its digest afterwards."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class RedisClient:
    """Gives each call a connection to itself, and keeps it for later calls; see `open_redis`."""

    def __init__(self, url: str, *, client_name: str, timeout_seconds: float) -> None:
        self._url = url
        self._client_name = client_name
        self._timeout_seconds = timeout_seconds
        self._idle: list[RedisConnection] = []

    async def ask(self, *commands: Command) -> list[Any]:
        """Sends commands together and returns their replies, in RESP2; text is bytes.

        They are sent again, once, when the connection fails. Keys and values are not recorded in the trace.

        Raises:
            OSError: there is no connection, or the replies did not come in time.
            hiredis.ReplyError: Redis refuses a command; the first refusal.
            hiredis.ProtocolError: the replies are not RESP.
        """
        if not traces.wants_spans():
            return await self._ask(commands)
        name = str(commands[0][0])
        with traces.span(name, "CLIENT", {"db.system.name": "redis", "db.operation.name": name}):
            return await self._ask(commands)

    async def run(self, script: Script, key: str, *arguments: str | int) -> Any:
        """Runs a script and returns its reply. Raises as `ask`."""
        try:
            (reply,) = await self.ask(("EVALSHA", script.digest, 1, key, *arguments))
        except hiredis.ReplyError as error:
            if "NOSCRIPT" not in str(error):
                raise
            (reply,) = await self.ask(("EVAL", script.text, 1, key, *arguments))
        return reply

    async def _ask(self, commands: tuple[Command, ...]) -> list[Any]:
        try:
            return await self._ask_once(commands)
        except hiredis.ReplyError:
            raise
        except FAILURES:
            # Redis may have closed every kept connection meanwhile.
            self.close()
            return await self._ask_once(commands)

    async def _ask_once(self, commands: tuple[Command, ...]) -> list[Any]:
        connection = (
            self._idle.pop()
            if self._idle
            else await connect(
                self._url, client_name=self._client_name, timeout_seconds=self._timeout_seconds
            )
        )
        usable = False
        try:
            replies = await connection.ask(*commands)
            usable = True
        except hiredis.ReplyError:
            usable = True
            raise
        finally:
            if usable and len(self._idle) < _IDLE_MAX:
                self._idle.append(connection)
            else:
                connection.close()
        return replies

    def close(self) -> None:
        """Closes the connections that are not in use."""
        while self._idle:
            self._idle.pop().close()


@asynccontextmanager
async def open_redis(
    url: str, *, client_name: str, timeout_seconds: float = 1.0
) -> AsyncIterator[RedisClient]:
    """Opens a client and closes it at the end of the block; nothing connects before the first command.

    Args:
        url: As for `chassis.redis_connection.connect`.
        client_name: Shown by CLIENT LIST.
        timeout_seconds: For connecting and for the replies of each call; longer than any BLOCK.
    """
    client = RedisClient(url, client_name=client_name, timeout_seconds=timeout_seconds)
    try:
        yield client
    finally:
        client.close()
