"""A service's key is changed as docs/operations.md says, under two processes that serve throughout."""

import asyncio
import signal
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from chassis.errors import RemoteError
from chassis.grpc.call import Call, enter
from chassis.grpc.channel import open_channel
from chassis.identity.caller import Caller
from chassis.identity.service_keys import ServiceKeys, new_key_pair, open_service_keys
from chassis.identity.service_tokens import ServiceTokens
from chassis.settings import ServiceSettings
from devstack.keys import KeyPairs
from devstack.ports import free_port
from devstack.topology import SERVICES
from vestibule.auth.v1 import token_service_pb2
from vestibule.auth.v1.token_service_pb2_grpc import TokenServiceStub

from tests.auth_service.command_line import Environment, process
from tests.auth_service.test_process import _ready
from tests.chassis.waiting import until

CHANGED = "gateway"


@dataclass
class Pod:
    """A process of auth-service."""

    environment: Environment
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def restart(self) -> None:
        """Ends the process, if there is one, and starts another, which reads the files as they are now."""
        await self.end()
        running = await self._stack.enter_async_context(process(self.environment))

        async def stop() -> None:
            running.send_signal(signal.SIGTERM)
            await asyncio.wait_for(running.communicate(), 30)

        self._stack.push_async_callback(stop)
        await until(lambda: _ready(self.environment), seconds=60)

    async def end(self) -> None:
        """Ends the process."""
        await self._stack.aclose()

    async def answers(self, keys: ServiceKeys) -> bool:
        """Whether a call is taken that a service makes with these keys."""
        enter(Call(caller=Caller(client_address="192.0.2.1", request_id="request")))
        address = f"127.0.0.1:{self.environment['AUTH_GRPC_PORT']}"
        services = [token_service_pb2.DESCRIPTOR.services_by_name["TokenService"]]
        async with open_channel(address, service_tokens=ServiceTokens(keys), services=services) as channel:
            request = token_service_pb2.IntrospectTokenRequest(token="no token")
            try:
                return not (await TokenServiceStub(channel).IntrospectToken(request)).active
            except RemoteError:
                return False


def _read(pairs: KeyPairs) -> ServiceKeys:
    """Returns what a pod of the gateway that starts now reads."""
    values = pairs.environment(CHANGED) | {"REDIS_URL": "redis://127.0.0.1:1/0"}
    return open_service_keys(CHANGED, ServiceSettings.model_validate(values))


@pytest.mark.timeout(900)
@pytest.mark.nightly
async def test_a_key_is_changed_without_a_refusal(environment: Environment, tmp_path: Path) -> None:
    """In each step old and new pods of both services work together; then the old key is worth nothing."""
    pairs = KeyPairs.kept_in(tmp_path / "keys", (service.name for service in SERVICES))
    environment |= pairs.environment("auth-service")
    one = Pod(environment)
    other = Pod({**environment, "AUTH_HTTP_PORT": str(free_port()), "AUTH_GRPC_PORT": str(free_port())})
    pods = (one, other)
    trusted = pairs.trust / f"{CHANGED}.pem"
    before = trusted.read_bytes()
    old = _read(pairs)
    private, public = new_key_pair()

    async def all_answer(*callers: ServiceKeys) -> bool:
        return all([await pod.answers(caller) for pod in pods for caller in callers])

    try:
        for pod in pods:
            await pod.restart()
        assert await all_answer(old)

        trusted.write_bytes(before + public)
        for pod in pods:
            await pod.restart()
            assert await all_answer(old, _read(pairs))

        pairs.private_key(CHANGED).write_bytes(private)
        new = _read(pairs)
        assert await all_answer(old, new)

        trusted.write_bytes(public)
        for pod in pods:
            await pod.restart()
            assert await all_answer(_read(pairs))
        assert [await pod.answers(old) for pod in pods] == [False, False]
    finally:
        for pod in pods:
            await pod.end()
