"""A gateway in front of real services, new for each test."""

import io
import logging
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import UUID

import pytest
import structlog
from chassis.identity.role import Role
from chassis.ids import uuid7
from devstack.valkey import Valkey

from chassis import logs
from tests.gateway.stack import FakeUpstream, Gateway, serving_gateway, serving_users, settings
from tests.gateway.streaming import Echo, echo_descriptors, serving_echo
from tests.user_service.auth_stand_in import AuthStandIn, serving


@pytest.fixture(name="log_output")
def _log_output() -> Iterator[io.StringIO]:
    """The log during the test."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level, warnings.showwarning)
    output = io.StringIO()
    logs.configure("gateway", stream=output)
    yield output
    logs.configure("gateway", stream=io.StringIO(), log_format="console")
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    root.handlers[:], root.level, warnings.showwarning = before


@pytest.fixture(name="upstream")
def _upstream() -> FakeUpstream:
    """The services that the gateway calls."""
    return FakeUpstream()


@pytest.fixture(name="auth")
async def _auth() -> AsyncIterator[AuthStandIn]:
    """An auth-service with a key of its own."""
    async with serving() as auth:
        yield auth


@pytest.fixture(name="users_address")
async def _users_address(upstream: FakeUpstream) -> AsyncIterator[str]:
    """Where the services behind the gateway answer."""
    async with serving_users(upstream) as address:
        yield address


@pytest.fixture(name="gateway")
async def _gateway(auth: AuthStandIn, users_address: str, valkey: Valkey) -> AsyncIterator[Gateway]:
    """A gateway without limits."""
    given = settings(
        auth,
        users_address,
        valkey,
        rate_limits="off",
        cors_origins="https://app.example",
        deadline_seconds=1.0,
    )
    async with serving_gateway(given) as gateway:
        yield gateway


@pytest.fixture(name="ada")
def _ada(upstream: FakeUpstream) -> UUID:
    """A user."""
    ada = uuid7()
    upstream.names[ada] = "Ada"
    return ada


@pytest.fixture(name="token")
def _token(auth: AuthStandIn, ada: UUID) -> str:
    """Her token."""
    return auth.token(ada, Role.USER)


@pytest.fixture(scope="session", name="descriptors")
def _descriptors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return echo_descriptors(tmp_path_factory.mktemp("echo"))


@pytest.fixture(name="echo")
async def _echo(auth: AuthStandIn, valkey: Valkey, descriptors: Path) -> AsyncIterator[Echo]:
    """One gateway before the echo service."""
    async with serving_echo(auth, valkey, descriptors) as echo:
        yield echo
