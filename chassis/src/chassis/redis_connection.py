"""One connection to Redis or Valkey.

Without redis-py: loops ask several times per second in every process, and a round trip takes a third of the
processor time that it takes by that library, whose modules occupy 6 MB of each process.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlsplit

import hiredis

from chassis import tls

Command = Sequence[str | bytes | int]

FAILURES = (OSError, hiredis.HiredisError)
"""What `ask` and `open_connection` raise. After any but `hiredis.ReplyError` the connection is of no use."""

_TLS_OPTIONS = (
    "ssl_ca_certs",
    "ssl_ca_path",
    "ssl_cert_reqs",
    "ssl_certfile",
    "ssl_check_hostname",
    "ssl_keyfile",
    "ssl_password",
)
_PLAIN = ("redis", "valkey")
_ENCRYPTED = ("rediss", "valkeys")
AUTHORITIES = "REDIS_CA_FILE, or ssl_ca_certs of REDIS_URL,"
"""What names the file of authorities, in errors."""

_READ_BYTES = 64 * 1024
_PORT = 6379


def check_url(url: str) -> None:
    """Checks what a URL says, not what it leads to.

    Raises:
        ValueError: it cannot lead to Redis; the message has nothing of the URL but names of options.
    """
    parts = urlsplit(url)
    if parts.scheme not in (*_PLAIN, *_ENCRYPTED, "unix"):
        raise ValueError("it begins with none of redis://, rediss:// (with TLS) and unix://")
    try:
        _ = parts.port
    except ValueError:
        raise ValueError("its port is not a number up to 65535") from None
    if parts.scheme not in _ENCRYPTED and any(name.startswith("ssl_") for name in _options(url)):
        raise ValueError("it has options of TLS (ssl_…), but no TLS: write rediss://")
    unknown = [name for name in _options(url) if name.startswith("ssl_") and name not in _TLS_OPTIONS]
    if unknown:
        raise ValueError(f"it has options that are not known: {', '.join(unknown)}")


def with_authorities(url: str, file: Path | None) -> str:
    """Returns a URL whose server is verified by the authorities in a file, unless it names others.

    Raises:
        ValueError: it has no TLS; the message has nothing of the URL.
    """
    if file is None:
        return url
    parts = urlsplit(url)
    if parts.scheme not in _ENCRYPTED:
        raise ValueError("REDIS_CA_FILE is set, but REDIS_URL has no TLS: write rediss://")
    if _options(url).keys() & {"ssl_ca_certs", "ssl_ca_path"}:
        return url
    return f"{url}{'&' if parts.query else '?'}ssl_ca_certs={quote(str(file))}"


class RedisConnection:
    """Sends commands and returns their replies, for one task at a time."""

    def __init__(
        self,
        reader: "_Reader",
        writer: asyncio.StreamWriter,
        timeout_seconds: float | None,
        limit_bytes: int | None,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._timeout_seconds = timeout_seconds
        self._limit_bytes = limit_bytes
        self._parser = hiredis.Reader()

    async def ask(self, *commands: Command) -> list[Any]:
        """Sends commands together and returns their replies, in RESP2; text is bytes.

        Raises:
            OSError: the connection is lost, or the replies did not come in time.
            hiredis.ReplyError: Redis refuses a command; the first refusal.
            hiredis.ProtocolError: the replies are not RESP, or too long.
        """
        replies = await self.try_all(*commands)
        for reply in replies:
            if isinstance(reply, hiredis.ReplyError):
                raise reply
        return replies

    async def try_all(self, *commands: Command) -> list[Any]:
        """As `ask`, but a refusal, `hiredis.ReplyError`, is a reply among the others."""
        self._writer.write(b"".join(hiredis.pack_command(tuple(command)) for command in commands))  # type: ignore[arg-type]
        replies: list[Any] = []
        received = 0
        async with asyncio.timeout(self._timeout_seconds):
            while len(replies) < len(commands):
                data = await self._reader.read(_READ_BYTES)
                if not data:
                    raise ConnectionResetError("Connection closed by Redis")
                received += len(data)
                if self._limit_bytes is not None and received > self._limit_bytes:
                    raise hiredis.ProtocolError(f"answers more than {self._limit_bytes // 1024} KiB")
                self._parser.feed(data)
                while (reply := self._parser.gets()) is not False:
                    replies.append(reply)
        return replies

    def close(self) -> None:
        """Closes it at once."""
        self._reader.on_end = None
        self._writer.transport.abort()


async def connect(
    url: str,
    *,
    timeout_seconds: float | None = None,
    client_name: str = "",
    limit_bytes: int | None = None,
    on_end: Callable[[], None] | None = None,
) -> RedisConnection:
    """Opens a connection.

    Args:
        url: As `check_url` has it, with credentials and database; `rediss://` with options of redis-py's
            names (`_tls`).
        timeout_seconds: For connecting, and for the replies of each call; longer than any BLOCK. None leaves
            it to the caller.
        client_name: Shown by CLIENT LIST.
        limit_bytes: The longest replies to the commands of one call.
        on_end: Called when Redis ends the connection, also between two calls.

    Raises:
        ValueError: the URL cannot lead to Redis.
        OSError: there is no connection in time.
        hiredis.ReplyError: Redis refuses the credentials or the database.
        hiredis.ProtocolError: what answers is not Redis.
    """
    check_url(url)
    parts = urlsplit(url)
    database = parts.path.strip("/")
    async with asyncio.timeout(timeout_seconds):
        if parts.scheme == "unix":
            database = parse_qs(parts.query).get("db", [""])[0]
        reader, writer = await _open_streams(parts, url, on_end)
    connection = RedisConnection(reader, writer, timeout_seconds, limit_bytes)
    greeting: list[Command] = []
    if parts.password:
        user = (unquote(parts.username),) if parts.username else ()
        greeting.append(("AUTH", *user, unquote(parts.password)))
    if database:
        greeting.append(("SELECT", database))
    if client_name:
        greeting.append(("CLIENT", "SETNAME", client_name))
    try:
        for command in greeting:  # One by one: a Redis that refuses a client says why once, and closes.
            await connection.ask(command)
    except ConnectionResetError as error:
        connection.close()
        if parts.scheme not in _ENCRYPTED or "ssl_certfile" in _options(url):
            raise
        # It closes after the handshake, without a word.
        raise ConnectionResetError("closed by Redis at once: it may want a client's certificate") from error
    except BaseException:
        connection.close()
        raise
    return connection


class _Reader(asyncio.StreamReader):
    """Reports the end of the connection, which asyncio's reader shows only to who reads."""

    def __init__(self, on_end: Callable[[], None] | None) -> None:
        super().__init__()
        self.on_end = on_end

    def feed_eof(self) -> None:
        """Takes the end of what Redis sends."""
        super().feed_eof()
        self._report()

    def set_exception(self, exc: Exception) -> None:
        """Takes the error that ended the connection."""
        super().set_exception(exc)
        self._report()

    def _report(self) -> None:
        on_end, self.on_end = self.on_end, None
        if on_end is not None:
            on_end()


async def _open_streams(
    parts: SplitResult, url: str, on_end: Callable[[], None] | None
) -> tuple[_Reader, asyncio.StreamWriter]:
    loop = asyncio.get_running_loop()
    reader = _Reader(on_end)
    protocol = asyncio.StreamReaderProtocol(reader)
    transport: asyncio.Transport
    if parts.scheme == "unix":
        transport, _ = await loop.create_unix_connection(lambda: protocol, parts.path)
    else:
        tls = _tls(url) if parts.scheme in _ENCRYPTED else None
        transport, _ = await loop.create_connection(
            lambda: protocol, parts.hostname or "", parts.port or _PORT, ssl=tls
        )
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


def _options(url: str) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(urlsplit(url).query).items()}


def _tls(url: str) -> ssl.SSLContext:
    """Returns the context for a URL: its server is verified, unless its options say otherwise.

    Raises:
        OSError: a file cannot be read, or holds no certificate.
    """
    options = _options(url)
    context = tls.client_context(options.get("ssl_ca_certs"), AUTHORITIES, options.get("ssl_ca_path"))
    if options.get("ssl_check_hostname", "").lower() in ("0", "false", "f", "no", "n"):
        context.check_hostname = False
    if options.get("ssl_cert_reqs") == "none":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if "ssl_certfile" in options:
        key, password = options.get("ssl_keyfile"), options.get("ssl_password")
        tls.show_certificate(context, options["ssl_certfile"], key, password, ("ssl_certfile", "ssl_keyfile"))
    return context


@asynccontextmanager
async def open_connection(
    url: str, *, timeout_seconds: float, client_name: str
) -> AsyncIterator[RedisConnection]:
    """Opens a connection and closes it at the end of the block; see `connect`."""
    connection = await connect(url, timeout_seconds=timeout_seconds, client_name=client_name)
    try:
        yield connection
    finally:
        connection.close()
