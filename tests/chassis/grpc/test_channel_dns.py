"""A channel finds pods by DNS whose answers are old, as a cluster's are."""

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest
from chassis.errors import Unavailable
from chassis.grpc.channel import ServiceChannel, open_channel
from devstack.ports import free_port
from vestibule.users.v1 import user_service_pb2, user_service_pb2_grpc

from tests.chassis.grpc.stack import SERVICES, open_stack, sign_in
from tests.chassis.waiting import until
from tests.fakes.service_keys import service_tokens

DELETE_ME = user_service_pb2.DeleteMeRequest(password="x")
OLD_POD, NEW_POD = "127.0.0.2", "127.0.0.3"
A_RECORD = 1


class Names(asyncio.DatagramProtocol):
    """A DNS server: every name has the same addresses; without any there is no such name."""

    def __init__(self) -> None:
        self.addresses: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        end = data.index(0, 12) + 5
        asked = struct.unpack(">H", data[end - 4 : end - 2])[0]
        addresses = self.addresses if asked == A_RECORD else []
        flags = 0x8580 if self.addresses else 0x8583
        header = data[:2] + struct.pack(">HHHHH", flags, 1, len(addresses), 0, 0)
        answers = b"".join(
            b"\xc0\x0c" + struct.pack(">HHIH", A_RECORD, 1, 30, 4) + socket.inet_aton(address)
            for address in addresses
        )
        self._transport.sendto(header + data[12:end] + answers, addr)


@asynccontextmanager
async def dns(*addresses: str) -> AsyncIterator[tuple[Names, int]]:
    """Serves DNS on loopback; yields the names and the port."""
    loop = asyncio.get_running_loop()
    transport, names = await loop.create_datagram_endpoint(Names, local_addr=("127.0.0.1", 0))
    names.addresses = list(addresses)
    try:
        yield names, transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


def channel_to(dns_port: int, port: int) -> ServiceChannel:
    """Opens a channel to a name."""
    target = f"dns://127.0.0.1:{dns_port}/users.example:{port}"
    return open_channel(target, service_tokens=service_tokens("gateway"), services=SERVICES)


@pytest.mark.parametrize("late_seconds", [0.0, 1.0])
async def test_stopping_pod_whose_successor_dns_did_not_name_yet(late_seconds: float) -> None:
    """When the only known pod stops, a channel asks DNS again at once, and again until it names another."""
    port = free_port()
    async with (
        open_stack(host=OLD_POD, port=port) as old,
        open_stack(host=NEW_POD, port=port) as new,
        dns(OLD_POD) as (names, dns_port),
        channel_to(dns_port, port) as channel,
    ):
        sign_in("user")
        users = user_service_pb2_grpc.UserServiceStub(channel)
        await users.DeleteMe(DELETE_ME)
        # It stays connected, and refuses calls.
        old.server.drain()
        calls = [asyncio.ensure_future(users.DeleteMe(DELETE_ME)) for _ in range(20)]
        await asyncio.sleep(late_seconds)
        names.addresses = [NEW_POD]
        await asyncio.gather(*calls)
        assert len(old.script.calls) + len(new.script.calls) == 21

        async def is_found() -> bool:
            await users.DeleteMe(DELETE_ME)
            return bool(new.script.calls)

        # A draining pod serves the calls that come before the channel knows that it drains.
        await until(is_found)


async def test_name_that_did_not_exist_for_a_while() -> None:
    """A service is found within seconds of its first pod, however long gRPC would pause by then."""
    port = free_port()
    async with dns() as (names, dns_port), channel_to(dns_port, port) as channel:
        sign_in("user")
        users = user_service_pb2_grpc.UserServiceStub(channel)

        async def until(moment: float) -> bool:
            while time.monotonic() < moment:
                try:
                    await users.DeleteMe(DELETE_ME)
                except Unavailable:
                    await asyncio.sleep(0.05)
                else:
                    return True
            return False

        # gRPC itself would look again 1, 2.6, 5.2, 9.3 and 15.8 seconds after the first time.
        assert not await until(time.monotonic() + 6)
        async with open_stack(host=NEW_POD, port=port):
            names.addresses = [NEW_POD]
            assert await until(time.monotonic() + 3)
