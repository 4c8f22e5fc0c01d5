"""TLS between services: both sides show a certificate, and new ones are taken up without a restart."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from chassis.errors import RemoteError, Unavailable
from chassis.grpc.certificates import Certificates, open_certificates
from chassis.grpc.channel import ServiceChannel, open_channel
from chassis.grpc.server import build_server
from chassis.startup_errors import StartupError
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from vestibule.health.v1 import health_service_pb2, health_service_pb2_grpc

from tests.chassis.grpc.authority import PEM, Authority, opened
from tests.chassis.grpc.stack import SERVICES, Health, Script, TableAuthenticator
from tests.fakes.service_keys import service_keys, service_tokens

pytestmark = pytest.mark.usefixtures("_certificates_checked_at_once")


@dataclass
class Peer:
    """A server under TLS, and where its certificates are."""

    folder: Path
    port: int

    def channel(
        self, credentials: Certificates | grpc.ChannelCredentials | None, port: int | None = None
    ) -> ServiceChannel:
        """Opens a channel to it."""
        return open_channel(
            f"localhost:{port or self.port}",
            service_tokens=service_tokens("gateway"),
            services=SERVICES,
            credentials=credentials,
        )


@pytest.fixture(name="peer")
async def _peer(authority: Authority, tmp_path: Path) -> AsyncIterator[Peer]:
    server = build_server(
        service_tokens=service_tokens("health-aggregator"), authenticator=TableAuthenticator()
    )
    health = Health(Script())  # type: ignore[abstract]
    server.add(health_service_pb2_grpc.add_HealthServiceServicer_to_server, health)
    port = await server.start("127.0.0.1:0", authority.issue(tmp_path / "server"))
    server.set_serving(True)
    yield Peer(tmp_path / "server", port)
    await server.stop(0)


async def ask(channel: ServiceChannel) -> None:
    """Calls once."""
    stub = health_service_pb2_grpc.HealthServiceStub(channel)
    await stub.GetHealth(health_service_pb2.GetHealthRequest(), timeout=5)


async def test_both_sides_show_a_certificate(peer: Peer, authority: Authority, tmp_path: Path) -> None:
    async with peer.channel(authority.issue(tmp_path / "client")) as channel:
        await ask(channel)


@pytest.mark.parametrize("named", [("user-service",), ("localhost",), ("gateway.elsewhere",)])
async def test_token_and_certificate_name_the_same_service(
    peer: Peer, authority: Authority, tmp_path: Path, named: tuple[str, ...]
) -> None:
    """The gateway's token over another's certificate is refused: one stolen secret is not enough."""
    async with peer.channel(authority.issue(tmp_path / "client", *named)) as channel:
        with pytest.raises(RemoteError) as caught:
            await ask(channel)

    assert caught.value.reason == "FORBIDDEN"


@pytest.mark.parametrize("kind", [x509.UniformResourceIdentifier, x509.RFC822Name])
async def test_a_name_of_another_kind_is_no_service(
    peer: Peer, authority: Authority, tmp_path: Path, kind: Callable[[str], x509.GeneralName]
) -> None:
    """Only DNS names count: an authority that checks those may allow any URI or e-mail address."""
    authority.write(tmp_path / "client", "user-service", others=[kind("gateway")])
    async with peer.channel(opened(tmp_path / "client", "user-service")) as channel:
        with pytest.raises(RemoteError) as caught:
            await ask(channel)

    assert caught.value.reason == "FORBIDDEN"
    with pytest.raises(StartupError, match="and not gateway"):
        opened(tmp_path / "client")


@pytest.mark.parametrize("shown", ["plain text", "no certificate", "a stranger's certificate"])
async def test_others_are_refused(peer: Peer, authority: Authority, tmp_path: Path, shown: str) -> None:
    trusted = authority.certificate.public_bytes(PEM)
    Authority().write(tmp_path / "stranger")
    (tmp_path / "stranger" / "ca.crt").write_bytes(trusted)
    credentials = {
        "plain text": None,
        "no certificate": grpc.ssl_channel_credentials(trusted),
        "a stranger's certificate": opened(tmp_path / "stranger"),
    }[shown]

    async with peer.channel(credentials) as channel:
        with pytest.raises(Unavailable):
            await ask(channel)


@pytest.mark.parametrize("certified", [True, False], ids=["TLS", "plain text"])
async def test_a_handshake_does_not_last(authority: Authority, tmp_path: Path, certified: bool) -> None:
    """A client that connects and says nothing is hung up on, and occupies nothing for long."""
    server = build_server(
        service_tokens=service_tokens("health-aggregator"),
        authenticator=TableAuthenticator(),
        handshake_seconds=0.2,
    )
    port = await server.start("127.0.0.1:0", authority.issue(tmp_path / "server") if certified else None)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    while await reader.read(1024):
        pass
    writer.close()
    await server.stop(0)


async def test_a_strange_server_is_refused(peer: Peer, tmp_path: Path) -> None:
    async with peer.channel(Authority().issue(tmp_path / "client")) as channel:
        with pytest.raises(Unavailable):
            await ask(channel)


async def test_a_new_authority_is_taken_up_by_both(peer: Peer, authority: Authority, tmp_path: Path) -> None:
    """After the files changed, the old authority's clients are refused and the new one's served."""
    async with peer.channel(authority.issue(tmp_path / "client")) as channel:
        await ask(channel)
        new = Authority()
        new.write(peer.folder)
        async with peer.channel(authority.issue(tmp_path / "old")) as stale:
            with pytest.raises(Unavailable):
                await ask(stale)

        new.write(tmp_path / "client")
        await ask(channel)


async def test_calls_in_flight_outlive_a_rotation(authority: Authority, tmp_path: Path) -> None:
    """The old channel finishes what it began."""
    script = Script()
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow(_: object, __: object) -> health_service_pb2.GetHealthResponse:
        begun.set()
        await go.wait()
        return health_service_pb2.GetHealthResponse()

    script.answers["GetHealth"] = slow
    server = build_server(
        service_tokens=service_tokens("health-aggregator"), authenticator=TableAuthenticator()
    )
    server.add(health_service_pb2_grpc.add_HealthServiceServicer_to_server, Health(script))  # type: ignore[abstract]
    port = await server.start("127.0.0.1:0", authority.issue(tmp_path / "server"))
    server.set_serving(True)
    client = authority.issue(tmp_path / "client")
    async with Peer(tmp_path, port).channel(client) as channel:
        first = asyncio.ensure_future(ask(channel))
        await begun.wait()
        authority.write(tmp_path / "client")
        second = asyncio.ensure_future(ask(channel))
        await asyncio.sleep(0.05)
        go.set()
        await asyncio.gather(first, second)
        assert client.generation == 1
    await server.stop(0)


def test_half_a_change_is_waited_out(authority: Authority, tmp_path: Path) -> None:
    """A key that is not the certificate's, or a file that is away, leaves the old ones in use."""
    found = authority.issue(tmp_path)
    old_key = (tmp_path / "tls.key").read_bytes()
    authority.write(tmp_path)
    new_key = (tmp_path / "tls.key").read_bytes()
    (tmp_path / "tls.key").write_bytes(old_key)
    assert found.refresh() == 0
    (tmp_path / "tls.key").unlink()
    assert found.refresh() == 0

    (tmp_path / "tls.key").write_bytes(new_key)
    assert found.refresh() == 1
    assert found.refresh() == 1


def _garbage_behind(authority: Authority, folder: Path) -> None:
    authority.write(folder)
    with (folder / "tls.crt").open("ab") as file:
        file.write(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")


def _strangers(authority: Authority, folder: Path) -> None:
    Authority().write(folder)
    (folder / "ca.crt").write_bytes(authority.certificate.public_bytes(PEM))


UNUSABLE: dict[str, Callable[[Authority, Path], None]] = {
    "a key of a kind that gRPC lacks": lambda it, to: it.write(to, key=ed25519.Ed25519PrivateKey.generate()),
    "a curve that gRPC lacks": lambda it, to: it.write(to, key=ec.generate_private_key(ec.SECP521R1())),
    "an encrypted key": lambda it, to: it.write(to, password=b"hush"),
    "expired": lambda it, to: it.write(to, begins_seconds=-7200, lasts_seconds=3600),
    "not yet valid": lambda it, to: it.write(to, begins_seconds=3600),
    "a stranger's": _strangers,
    "another service's": lambda it, to: it.write(to, "user-service"),
    "a host's": lambda it, to: it.write(to, "gateway.elsewhere"),
    "no certificate behind the first": _garbage_behind,
}


@pytest.mark.parametrize("kind", UNUSABLE)
async def test_what_cannot_be_used_replaces_nothing(
    peer: Peer, authority: Authority, tmp_path: Path, kind: str
) -> None:
    """Both sides stay with what they have, on new connections too, until there is one that they can use."""
    client = authority.issue(tmp_path / "client")
    UNUSABLE[kind](authority, peer.folder)
    UNUSABLE[kind](authority, tmp_path / "client")
    async with peer.channel(client) as channel:
        await ask(channel)
    assert client.generation == 0

    authority.write(peer.folder)
    authority.write(tmp_path / "client")
    async with peer.channel(client) as channel:
        await ask(channel)
    assert client.generation == 1


async def test_an_expired_one_is_replaced_by_any(authority: Authority, tmp_path: Path) -> None:
    """Where the current one is refused as well, there is nothing to keep."""
    authority.write(tmp_path, begins_seconds=-7200, lasts_seconds=3600)
    found = opened(tmp_path)
    authority.write(tmp_path, begins_seconds=3600)
    assert found.refresh() == 1

    authority.write(tmp_path)
    assert found.refresh() == 2


@pytest.mark.parametrize("kind", ["an encrypted key", "a curve that gRPC lacks"])
def test_a_key_that_cannot_be_used_is_named_at_the_start(
    authority: Authority, tmp_path: Path, kind: str
) -> None:
    UNUSABLE[kind](authority, tmp_path)
    with pytest.raises(StartupError, match=r"encrypted|P-256"):
        opened(tmp_path)


def test_what_is_missing_is_named(authority: Authority, tmp_path: Path) -> None:
    authority.write(tmp_path)
    paths = (tmp_path / "tls.crt", tmp_path / "tls.key", tmp_path / "ca.crt")
    (tmp_path / "ca.crt").unlink()
    with pytest.raises(StartupError, match=r"ca\.crt cannot be read"):
        open_certificates(paths, service_keys("gateway"))

    (tmp_path / "ca.crt").write_text("nothing")
    with pytest.raises(StartupError, match="not PEM files that fit"):
        open_certificates(paths, service_keys("gateway"))
    assert open_certificates(None, service_keys("gateway")) is None
