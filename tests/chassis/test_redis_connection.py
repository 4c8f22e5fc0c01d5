"""A connection: TLS, users and databases of a URL, refusals, and a silent server."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import hiredis
import pytest
from chassis.redis import explain
from chassis.redis_connection import check_url, open_connection, with_authorities
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
        ("redis://127.0.0.1:6379?ssl_ca_certs=/ca.crt", "options of TLS .* write rediss://"),
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


async def test_authorities_of_a_file(valkey: Valkey, certificates: Path, tmp_path: Path) -> None:
    """Of a setting beside the URL, unless the URL names its own."""
    files = f"ssl_certfile={certificates / 'tls.crt'}&ssl_keyfile={certificates / 'tls.key'}"
    file, other = certificates / "ca.crt", tmp_path / "none.crt"
    async with tls_proxy(valkey.url, certificates) as plain:
        for url in (
            with_authorities(f"{plain}?{files}", file),
            with_authorities(f"{plain}?{files}&ssl_ca_certs={file}", other),
        ):
            async with open_connection(url, timeout_seconds=5, client_name="t") as redis:
                assert await redis.ask(("PING",)) == [b"PONG"]

    assert (
        with_authorities("rediss://host/0", Path("/a b/ca.crt"))
        == "rediss://host/0?ssl_ca_certs=/a%20b/ca.crt"
    )
    assert with_authorities("redis://host/0", None) == "redis://host/0"
    with pytest.raises(ValueError, match="REDIS_CA_FILE is set, but REDIS_URL has no TLS: write rediss://"):
        with_authorities("redis://me:hush@host/0", file)


async def test_a_redis_that_wants_a_certificate(valkey: Valkey, certificates: Path) -> None:
    """It hangs up after the handshake, without a word."""
    async with tls_proxy(valkey.url, certificates) as url:
        with pytest.raises(ConnectionResetError) as caught:
            async with open_connection(
                f"{url}?ssl_ca_certs={certificates / 'ca.crt'}", timeout_seconds=5, client_name="t"
            ):
                pass

    assert "name one by ssl_certfile and ssl_keyfile in REDIS_URL" in explain(caught.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("ssl_ca_certs={}/none.crt", "ssl_ca_certs of REDIS_URL, cannot be read: {}/none.crt"),
        ("ssl_ca_certs={}/empty", "{}/empty holds no certificate in PEM"),
        (
            "ssl_certfile={}/tls.crt&ssl_keyfile={}/empty",
            "ssl_keyfile {}/empty: not a certificate and its key",
        ),
        ("ssl_certfile={}/locked/tls.crt&ssl_keyfile={}/locked/tls.key", "or the password is wrong"),
    ],
)
async def test_files_that_are_of_no_use_are_named(certificates: Path, options: str, said: str) -> None:
    """With their option; none waits for a password to be typed."""
    (certificates / "empty").touch()
    Authority().write(certificates / "locked", password=b"hush")
    url = f"rediss://127.0.0.1:1?{options.replace('{}', str(certificates))}"
    with pytest.raises(OSError, match=r"PEM|cannot be read") as caught:
        async with open_connection(url, timeout_seconds=5, client_name="t"):
            pass

    assert said.replace("{}", str(certificates)) in str(caught.value)


@pytest.mark.parametrize(
    ("validity", "advice"),
    [
        ({"begins_seconds": -7200, "lasts_seconds": 3600}, "renew the certificate of Redis"),
        ({"here": ()}, "write a host into REDIS_URL that the certificate of Redis names"),
        ({}, "REDIS_CA_FILE, or ssl_ca_certs of REDIS_URL, has to name the authority"),
    ],
)
async def test_certificates_that_are_not_accepted_are_explained(
    valkey: Valkey, certificates: Path, validity: dict[str, Any], advice: str
) -> None:
    authority = Authority()
    authority.write(certificates / "redis", "redis", **validity)
    trusted = certificates / "redis" / "ca.crt" if validity else certificates / "ca.crt"
    async with tls_proxy(valkey.url, certificates / "redis") as url:
        with pytest.raises(ssl.SSLCertVerificationError) as caught:
            async with open_connection(f"{url}?ssl_ca_certs={trusted}", timeout_seconds=5, client_name="t"):
                pass

    assert advice in explain(caught.value)
