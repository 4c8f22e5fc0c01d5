"""One master key follows another as docs/operations.md says, under two processes that serve throughout."""

import asyncio
import base64
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pyotp
import pytest
from chassis.errors import RemoteError
from chassis.grpc.call import Call, enter
from chassis.grpc.channel import ServiceChannel, open_channel
from chassis.identity.caller import Caller
from chassis.postgres.pool import Pool
from devstack.ports import free_port
from vestibule.auth.v1 import (
    api_key_service_pb2,
    auth_service_pb2,
    email_service_pb2,
    mfa_service_pb2,
    token_service_pb2,
)
from vestibule.auth.v1.api_key_service_pb2_grpc import ApiKeyServiceStub
from vestibule.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from vestibule.auth.v1.email_service_pb2_grpc import EmailServiceStub
from vestibule.auth.v1.mfa_service_pb2_grpc import MfaServiceStub
from vestibule.auth.v1.token_service_pb2_grpc import TokenServiceStub

from tests.auth_service.command_line import Environment, output_of, process
from tests.auth_service.conftest import ADMIN_EMAIL, ADMIN_PASSWORD
from tests.auth_service.directory_stand_in import DirectoryStandIn
from tests.auth_service.local_service import NAME
from tests.auth_service.test_process import _admin_is_made, _ready
from tests.chassis.waiting import until
from tests.fakes.service_keys import service_tokens

OLD, NEW = (base64.b64encode(each).decode() for each in (b"m" * 32, os.urandom(32)))
_SERVICES = [
    module.DESCRIPTOR.services_by_name[name]
    for module, name in (
        (auth_service_pb2, "AuthService"),
        (email_service_pb2, "EmailService"),
        (token_service_pb2, "TokenService"),
        (api_key_service_pb2, "ApiKeyService"),
        (mfa_service_pb2, "MfaService"),
    )
]


@dataclass
class Clients:
    """Everything that was given out, and is to be good at every process until the end.

    Attributes:
        pool: Postgres.
        mail_dir: Where mails go.
        answers: Idempotency keys and the access tokens that were answered under them.
    """

    pool: Pool
    mail_dir: Path
    refresh_token: str = ""
    device: str = ""
    api_keys: list[str] = field(default_factory=list)
    totp: pyotp.TOTP | None = None
    recovery_codes: list[str] = field(default_factory=list)
    mail_tokens: list[str] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    numbers: "count[int]" = field(default_factory=count)

    async def enrol(self, channel: ServiceChannel) -> None:
        """Turns the second factor on, and opens the session that is refreshed from then on."""
        _come()
        request = auth_service_pb2.LoginRequest(email=ADMIN_EMAIL, password=ADMIN_PASSWORD)
        said = await AuthServiceStub(channel).Login(request)
        self.refresh_token, self.device = said.tokens.refresh_token, said.device
        _come(said.tokens.access_token)
        await self.pool.execute("UPDATE auth.credentials SET email_verified = true")
        mfa = MfaServiceStub(channel)
        self.totp = pyotp.TOTP((await mfa.BeginTotp(mfa_service_pb2.BeginTotpRequest())).secret)
        confirm = mfa_service_pb2.ConfirmTotpRequest(code=self.totp.now())
        self.recovery_codes = list((await mfa.ConfirmTotp(confirm)).recovery_codes)

    async def use_everything(self, channel: ServiceChannel) -> None:
        """Uses what was given out so far; whatever is refused fails the test."""
        auth, tokens = AuthServiceStub(channel), TokenServiceStub(channel)
        _come()
        refreshed = await auth.Refresh(auth_service_pb2.RefreshRequest(refresh_token=self.refresh_token))
        self.refresh_token = refreshed.tokens.refresh_token
        for key in self.api_keys:
            request = token_service_pb2.IntrospectTokenRequest(token=key)
            assert (await tokens.IntrospectToken(request)).active
        for key, answer in self.answers.items():
            assert await self._registered(channel, key) == answer
        assert self.totp is not None
        await self.pool.execute("UPDATE auth.authenticators SET last_step = -1")
        access_token = await self.sign_in(channel, self.totp.now())
        if len(self.recovery_codes) > 2:
            await self.sign_in(channel, self.recovery_codes.pop())
        await self._make_more(channel, access_token)

    async def sign_in(self, channel: ServiceChannel, code: str) -> str:
        """Signs in with password and second factor; returns the access token."""
        _come()
        request = auth_service_pb2.LoginRequest(
            email=ADMIN_EMAIL, password=ADMIN_PASSWORD, device=self.device
        )
        challenge = (await AuthServiceStub(channel).Login(request)).mfa.mfa_token
        verify = mfa_service_pb2.VerifyMfaRequest(mfa_token=challenge, code=code)
        said = await MfaServiceStub(channel).VerifyMfa(verify)
        self.device = said.device
        return str(said.tokens.access_token)

    async def verify_addresses(self, channel: ServiceChannel) -> None:
        """Uses up the tokens that were mailed before now."""
        _come()
        for token in self.mail_tokens:
            await EmailServiceStub(channel).VerifyEmail(email_service_pb2.VerifyEmailRequest(token=token))
        self.mail_tokens.clear()

    async def _make_more(self, channel: ServiceChannel, access_token: str) -> None:
        _come(access_token)
        request = api_key_service_pb2.CreateApiKeyRequest(name="report", scopes=["read"])
        self.api_keys.append((await ApiKeyServiceStub(channel).CreateApiKey(request)).key)
        key = f"a-key-of-the-client-{next(self.numbers)}"
        self.answers[key] = await self._registered(channel, key)

        def mailed() -> list[str]:
            mails = [mail.read_text() for mail in self.mail_dir.iterdir() if mail.suffix == ".eml"]
            return [mail for mail in mails if f"{key}@" in mail]

        await until(mailed)
        found = re.search(r"token=([\w-]+)", mailed()[0].replace("=\n", "").replace("=3D", "="))
        assert found
        self.mail_tokens.append(found[1])

    async def _registered(self, channel: ServiceChannel, key: str) -> str:
        _come(key=key)
        request = auth_service_pb2.RegisterRequest(
            email=f"{key}@example.com", password=ADMIN_PASSWORD, full_name=NAME
        )
        return str((await AuthServiceStub(channel).Register(request)).user.id)


def _come(token: str = "", key: str = "") -> None:
    caller = Caller(client_address="192.0.2.1", user_agent="test", request_id="request")
    enter(Call(caller=caller, bearer_token=token, idempotency_key=key))


@dataclass
class Place:
    """Where one process is followed by another."""

    environment: Environment
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def roll(self, key: str, accepted: str = "") -> None:
        """Ends the process and starts one with these master keys."""
        await self.end()
        keys = {"AUTH_MASTER_KEY": key, "AUTH_MASTER_KEYS_ACCEPTED": accepted}
        self.environment = {**self.environment, **keys}
        running = await self._stack.enter_async_context(process(self.environment))
        self._stack.push_async_callback(_stop, running)
        await until(lambda: _ready(self.environment), seconds=60)

    async def end(self) -> None:
        """Ends the process."""
        await self._stack.aclose()

    @asynccontextmanager
    async def reached(self) -> AsyncIterator[ServiceChannel]:
        """Reaches the process as the gateway does."""
        address = f"127.0.0.1:{self.environment['AUTH_GRPC_PORT']}"
        tokens = service_tokens("gateway")
        async with open_channel(address, service_tokens=tokens, services=_SERVICES) as channel:
            yield channel


async def _stop(running: asyncio.subprocess.Process) -> None:
    running.send_signal(signal.SIGTERM)
    await asyncio.wait_for(running.communicate(), 30)


@pytest.mark.nightly
@pytest.mark.timeout(900)
async def test_one_key_follows_another(
    environment: Environment, pool: Pool, directory: DirectoryStandIn, tmp_path: Path
) -> None:
    """Whatever was given out before a step is good after it, at old and new processes side by side."""
    clients = Clients(pool, tmp_path)
    environment["AUTH_MAIL_DIR"] = str(tmp_path)
    second = {**environment, "AUTH_HTTP_PORT": str(free_port()), "AUTH_GRPC_PORT": str(free_port())}
    one, other = Place(environment), Place(second)
    try:
        directory.meet(f"127.0.0.1:{second['AUTH_GRPC_PORT']}")
        await other.roll(OLD)
        await until(lambda: _admin_is_made(second), seconds=60)
        await one.roll(OLD)
        async with other.reached() as channel:
            await clients.enrol(channel)
            await clients.use_everything(channel)

        for keys in ((OLD, NEW), (NEW, OLD)):
            for place in (one, other):
                await place.roll(*keys)
                for each in (one, other):
                    async with each.reached() as channel:
                        await clients.use_everything(channel)
                async with place.reached() as channel:
                    await clients.verify_addresses(channel)

        status, said = await output_of(one.environment, "keys", "reseal")
        assert (status, said.splitlines()[0]) == (1, "2 rows were sealed again with AUTH_MASTER_KEY"), said
        assert "a process wrote with another key lately" in said
        await _end_the_old_key(pool)
        status, said = await output_of(one.environment, "keys", "reseal")
        assert (status, said.splitlines()[0]) == (1, "0 rows were sealed again with AUTH_MASTER_KEY"), said
        assert all(_counts(said).values()), said

        async with one.reached() as channel:
            await clients.use_everything(channel)
        await _pass_a_month(pool)
        status, said = await output_of(one.environment, "keys", "reseal")
        left = _counts(said)
        assert (status, left.pop("recovery codes")) == (1, len(clients.recovery_codes)), said
        assert set(left.values()) == {0}, said

        clients.answers.clear()
        given, clients.recovery_codes = clients.recovery_codes, []
        for place in (one, other):
            await place.roll(NEW)
            for each in (one, other):
                async with each.reached() as channel:
                    await clients.use_everything(channel)
        async with one.reached() as channel:
            with pytest.raises(RemoteError) as refused:
                await clients.sign_in(channel, given.pop())
            assert refused.value.reason == "INVALID_CREDENTIALS"
        # The same browser all the while: no mail about a new one.
        assert await pool.fetchval("SELECT count(*) FROM auth.known_devices") == 1
        await pool.execute("DELETE FROM auth.recovery_codes")
        status, said = await output_of(one.environment, "keys", "reseal")
        assert (status, said.splitlines()[-1]) == (0, "the key before can be dropped"), said
    finally:
        await one.end()
        await other.end()


def _counts(said: str) -> dict[str, int]:
    found = re.findall(r"^(\w[\w ]+?)  +(\d+)  ", said, re.MULTILINE)
    return {name: int(number) for name, number in found}


async def _end_the_old_key(pool: Pool) -> None:
    """Moves the last note of the old key back, so that it has ended now and not two minutes hence."""
    await pool.execute(
        """
        UPDATE auth.master_keys SET last_used_at = now() - interval '2 minutes'
         WHERE first_used_at = (SELECT min(first_used_at) FROM auth.master_keys)
        """
    )
    # A use is noted once a minute.
    await pool.execute("UPDATE auth.api_keys SET last_used_at = last_used_at - interval '1 hour'")


async def _pass_a_month(pool: Pool) -> None:
    """Ends what ends by itself; what is used goes on."""
    since = "(SELECT min(last_used_at) + interval '2 minutes' FROM auth.master_keys)"
    for statement in (
        f"UPDATE auth.sessions SET expires_at = now() WHERE last_used_at <= {since}",
        f"UPDATE auth.mailed_tokens SET expires_at = now() WHERE queued_at <= {since}",
        f"UPDATE auth.attempts SET began_at = now() - interval '25 hours' WHERE began_at <= {since}",
    ):
        await pool.execute(statement)
