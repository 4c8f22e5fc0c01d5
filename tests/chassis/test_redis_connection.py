"""A connection: TLS, users and databases of a URL, refusals, and a silent server."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

import hiredis
import pytest
from chassis.redis_connection import check_url, open_connection
from devstack.valkey import Valkey

from tests.chassis.grpc.authority import Authority


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """A folder with an authority, and the proxy's certificate, which serves as the client's too."""
    Authority().write(tmp_path, "redis")
    return tmp_path


@asynccontextmanager
async def tls_proxy(url: str, certificates: Path) -> AsyncIterator[str]:
    """Serves Valkey by TLS to clients with a certificate; yields the URL without options."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificates / "ca.crt")
    context.load_cert_chain(certificates / "tls.crt", certificates / "tls.key")
    context.verify_mode = ssl.CERT_REQUIRED
    parts = urlsplit(url)

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
        finally:
            writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind = await asyncio.open_connection(parts.hostname, parts.port)
        await asyncio.gather(copy(reader, behind[1]), copy(behind[0], writer), return_exceptions=True)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"rediss://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"


async def test_tls_with_a_client_certificate(valkey: Valkey, certificates: Path) -> None:
    """By the options of the URL: authority, certificate and key."""
    files = f"ssl_certfile={certificates / 'tls.crt'}&ssl_keyfile={certificates / 'tls.key'}"
    async with tls_proxy(valkey.url, certificates) as url:
        for trust in (f"ssl_ca_certs={certificates / 'ca.crt'}", "ssl_cert_reqs=none"):
            trusting = f"{url}?{trust}&{files}"
            async with open_connection(trusting, timeout_seconds=5, client_name="t") as redis:
                assert await redis.ask(("PING",)) == [b"PONG"]
        with pytest.raises(ssl.SSLCertVerificationError):
            async with open_connection(f"{url}?{files}", timeout_seconds=5, client_name="t"):
                pass
        with pytest.raises(ValueError, match="ssl_ciphers"):
            async with open_connection(f"{url}?{files}&ssl_ciphers=x", timeout_seconds=5, client_name="t"):
                pass


async def test_user_password_and_database(own_valkey: Valkey) -> None:
    """Both are decoded; Redis shows the name."""
    password = "p/@:% ss"
    async with open_connection(own_valkey.url, timeout_seconds=5, client_name="t") as admin:
        await admin.ask(("ACL", "SETUSER", "a@b", "on", f">{password}", "+@all", "~*"))
    url = own_valkey.url.replace("//", f"//{quote('a@b')}:{quote(password, safe='')}@").replace("/0", "/3")
    async with open_connection(url, timeout_seconds=5, client_name="stock-service") as redis:
        (information,) = await redis.ask(("CLIENT", "INFO"))

    assert {b"user=a@b", b"db=3", b"name=stock-service"} <= set(information.split())


async def test_a_refusal_is_one_reply_among_others(valkey: Valkey) -> None:
    """The connection stays usable, and `ask` raises what Redis said."""
    async with open_connection(valkey.url, timeout_seconds=5, client_name="t") as redis:
        refused, answered = await redis.try_all(("NO-SUCH-COMMAND",), ("PING",))
        assert isinstance(refused, hiredis.ReplyError)
        assert answered == b"PONG"
        with pytest.raises(hiredis.ReplyError, match="unknown command"):
            await redis.ask(("NO-SUCH-COMMAND",))


async def test_silence_is_given_up_in_time(valkey: Valkey) -> None:
    """Longer than the timeout is an `OSError`, as a lost connection is."""
    async with open_connection(valkey.url, timeout_seconds=0.2, client_name="t") as redis:
        with pytest.raises(TimeoutError):
            await redis.ask(("XREAD", "BLOCK", 5000, "STREAMS", "no-such-stream", "$"))


async def test_a_client_that_is_turned_away_learns_why() -> None:
    """In protected mode Redis answers a first command or none, and closes."""

    async def turn_away(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.write(b"-DENIED Redis is running in protected mode\r\n")
        writer.close()

    server = await asyncio.start_server(turn_away, "127.0.0.1", 0)
    async with server:
        url = f"redis://:secret@127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
        with pytest.raises(hiredis.ReplyError, match="protected mode"):
            async with open_connection(url, timeout_seconds=5, client_name="t"):
                pass


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:6379/0", "begins with none of"),
        ("127.0.0.1:6379", "begins with none of"),
        ("redis+tls://127.0.0.1:6379", "begins with none of"),
        ("redis://127.0.0.1:port", "port"),
        ("redis://127.0.0.1:70000", "port"),
        ("rediss://127.0.0.1:6379?ssl_ciphers=x", "ssl_ciphers"),
    ],
)
async def test_a_url_that_cannot_lead_to_redis(url: str, said: str) -> None:
    """Is refused before there is a connection, so that no password is sent in plain text by mistake."""
    with pytest.raises(ValueError, match=said) as caught:
        check_url(url.replace("127.0.0.1", "me:hush@127.0.0.1"))
    assert "hush" not in str(caught.value)
    with pytest.raises(ValueError, match=said):
        async with open_connection(url, timeout_seconds=5, client_name="t"):
            pass


async def test_valkeys_own_schemes(valkey: Valkey, certificates: Path) -> None:
    """`valkeys://` is TLS as `rediss://` is."""
    url = valkey.url.replace("redis://", "valkey://")
    async with open_connection(url, timeout_seconds=5, client_name="t") as redis:
        assert await redis.ask(("PING",)) == [b"PONG"]
    files = "&".join(
        f"ssl_{name}={certificates / file}"
        for name, file in (("ca_certs", "ca.crt"), ("certfile", "tls.crt"), ("keyfile", "tls.key"))
    )
    async with tls_proxy(valkey.url, certificates) as encrypted:
        url = f"{encrypted.replace('rediss', 'valkeys')}?{files}"
        async with open_connection(url, timeout_seconds=5, client_name="t") as redis:
            assert await redis.ask(("PING",)) == [b"PONG"]


async def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    url = f"rediss://127.0.0.1:1?ssl_ca_certs={tmp_path / 'none.crt'}"
    with pytest.raises(FileNotFoundError, match=r"none\.crt"):
        async with open_connection(url, timeout_seconds=5, client_name="t"):
            pass
