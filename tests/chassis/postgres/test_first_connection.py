"""TLS to Postgres that cannot be is reported at once, by what to correct, and not as an outage."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from chassis.postgres.first_connection import connect_with_retries
from chassis.postgres.pool import open_pool
from chassis.startup_errors import StartupError, StartupRefused
from devstack.postgres import Postgres

from tests.chassis.grpc.authority import Authority


@pytest.fixture(name="folder")
def _folder(tmp_path: Path, authority: Authority) -> Path:
    """Has certificates of two authorities, and a file without any."""
    authority.write(tmp_path / "good")
    authority.write(tmp_path / "locked", password=b"hush")
    Authority().write(tmp_path / "strange")
    (tmp_path / "empty.crt").write_text("nothing")
    return tmp_path


@pytest.fixture(name="authority")
def _authority() -> Authority:
    return Authority()


@asynccontextmanager
async def _postgres_by_tls(certificates: Path, clients: Path | None = None) -> AsyncIterator[str]:
    """Serves what a Postgres says before TLS, and a certificate; yields its URL.

    Args:
        certificates: The folder of its own.
        clients: Who may sign those of clients; None asks for none.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=clients)
    context.load_cert_chain(certificates / "tls.crt", certificates / "tls.key")
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        writer.write(b"S")
        with suppress(OSError, asyncio.CancelledError):  # uvloop or asyncio, when the client leaves
            await writer.start_tls(context)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"postgresql://me:hush@127.0.0.1:{server.sockets[0].getsockname()[1]}/x"


async def _refusal(url: str) -> str:
    with pytest.raises(StartupRefused) as caught:
        async with open_pool(url, application_name="t"):
            pass
    assert "hush" not in str(caught.value)
    return str(caught.value)


CERTIFICATES: dict[str, tuple[Callable[[Authority, Path], None], str]] = {
    "expired": (
        lambda it, to: it.write(to, begins_seconds=-7200, lasts_seconds=3600),
        "has expired; renew the certificate of Postgres",
    ),
    "of the future": (lambda it, to: it.write(to, begins_seconds=3600), "set the clocks"),
    "of another host": (
        lambda it, to: it.write(to, "db.example.com", here=()),
        "not valid for '127.0.0.1'; write a host into the Postgres URL that the certificate",
    ),
    "of another authority": (
        lambda _, to: Authority().write(to),
        "; sslrootcert of the Postgres URL has to name the authority",
    ),
}


@pytest.mark.parametrize("kind", CERTIFICATES)
async def test_a_certificate_that_is_not_accepted(folder: Path, authority: Authority, kind: str) -> None:
    """Each for its own reason."""
    write, said = CERTIFICATES[kind]
    write(authority, folder / "postgres")
    async with _postgres_by_tls(folder / "postgres") as url:
        refused = await _refusal(f"{url}?sslmode=verify-full&sslrootcert={folder / 'good' / 'ca.crt'}")

    assert "shows a certificate that is not accepted: " in refused
    assert said in refused


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_certificate_of_ours_that_postgres_refuses(
    folder: Path, monkeypatch: pytest.MonkeyPatch, version: ssl.TLSVersion
) -> None:
    """Looks like an outage to the driver; the message says where to look."""
    make = ssl.create_default_context

    def limited(*arguments: Any, **options: Any) -> ssl.SSLContext:
        context = make(*arguments, **options)
        context.maximum_version = version
        return context

    monkeypatch.setattr(ssl, "create_default_context", limited)
    good, strange = folder / "good", folder / "strange"
    async with _postgres_by_tls(good, clients=good / "ca.crt") as url:
        trusting = f"{url}?sslmode=verify-full&sslrootcert={good / 'ca.crt'}"
        ours = f"&sslcert={strange / 'tls.crt'}&sslkey={strange / 'tls.key'}"
        with pytest.raises(StartupError, match="whether it refuses the certificate that sslcert names"):
            await connect_with_retries(trusting + ours, partial(asyncpg.connect, trusting + ours), 0.2)
        with pytest.raises(StartupError, match="start it or fix its URL"):
            await connect_with_retries(trusting, partial(asyncpg.connect, trusting), 0.2)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("sslrootcert={}/none.crt", "sslrootcert cannot be read: {}/none.crt (No such file or directory)"),
        ("sslrootcert={}", "sslrootcert cannot be read: {} (Is a directory)"),
        ("sslrootcert={}/empty.crt", "sslrootcert {}/empty.crt holds no certificate in PEM"),
        ("sslcrl={}/empty.crt", "sslcrl {}/empty.crt holds no certificate"),
        ("sslcert={}/good/tls.crt&sslkey={}/strange/tls.key", "sslkey {}/strange/tls.key: not a certificate"),
        ("sslcert={}/locked/tls.crt&sslkey={}/locked/tls.key", "or the password is wrong"),
        ("sslcert={}/good/tls.crt&sslkey={}/none.key", "sslkey cannot be read"),
    ],
)  # fmt: skip
async def test_files_that_are_of_no_use(folder: Path, options: str, said: str) -> None:
    """Are named with their option, before anything is connected."""
    refused = await _refusal(f"postgresql://me:hush@127.0.0.1:1/x?{options.replace('{}', str(folder))}")

    assert said.replace("{}", str(folder)) in refused


@pytest.mark.parametrize("mode", ["", "&sslmode=prefer", "&sslmode=require"])
async def test_authorities_by_which_nothing_is_verified(folder: Path, mode: str) -> None:
    """Those who name them believe that the server is the right one."""
    authorities = folder / "good" / "ca.crt"
    refused = await _refusal(f"postgresql://me:hush@127.0.0.1:1/x?sslrootcert={authorities}{mode}")

    assert "no certificate is verified by them: write sslmode=verify-full" in refused


async def test_a_mode_without_authorities(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Which the driver then looks for in the home folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    refused = await _refusal("postgresql://me:hush@127.0.0.1:1/x?sslmode=verify-full")
    assert "add sslrootcert=" in refused

    refused = await _refusal("postgresql://me:hush@127.0.0.1:1/x?sslmode=always")
    assert "`sslmode` parameter must be one of: disable" in refused


async def test_a_postgres_without_tls(postgres: Postgres) -> None:
    """Which was reported as one that does not answer, after a long wait."""
    url = postgres.url()
    refused = await _refusal(f"{url}{'&' if '?' in url else '?'}sslmode=require")

    assert "has no TLS: turn it on there, or correct sslmode" in refused
