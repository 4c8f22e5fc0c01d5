"""The whole system, running, with clients of its gateway, an admin and a user."""

import os
from collections.abc import Iterator

import pytest
from devstack.stack import Stack

from tests.collector import Collector
from tests.fakes.authenticator import Authenticator
from tests.system.client import Client, User
from tests.system.mailbox import Mailbox
from tests.system.passkeys import Owner, add, registration_options
from tests.system.running_system import System

ELSEWHERE = os.environ.get("VESTIBULE_URL")
"""A gateway that runs already, with its rate limits off; tests that need only a gateway run against it."""


@pytest.fixture(scope="session", name="system")
def _system(request: pytest.FixtureRequest) -> System:
    """The running system, to look behind the gateway and to stop parts of it."""
    if ELSEWHERE:
        pytest.skip("looks behind the gateway of VESTIBULE_URL")
    stack: Stack = request.getfixturevalue("stack")
    return System(stack)


@pytest.fixture(scope="session", name="base_url")
def _base_url(request: pytest.FixtureRequest) -> str:
    """The gateway's URL; its rate limits are off."""
    if ELSEWHERE:
        return ELSEWHERE.rstrip("/")
    system: System = request.getfixturevalue("system")
    return system.base_url


@pytest.fixture(scope="session", name="collector")
def _collector(request: pytest.FixtureRequest) -> Collector:
    """The collector that receives the system's traces."""
    if ELSEWHERE:
        pytest.skip("the traces of VESTIBULE_URL go elsewhere")
    collector: Collector = request.getfixturevalue("collector")
    return collector


@pytest.fixture(scope="session", name="client")
def _client(base_url: str, request: pytest.FixtureRequest) -> Iterator[Client]:
    """A client of the gateway."""
    mailbox = None if ELSEWHERE else request.getfixturevalue("mailbox")
    with Client(base_url, mailbox=mailbox) as client:
        yield client


@pytest.fixture(scope="session", name="other")
def _other(system: System) -> Iterator[Client]:
    """A client of a second gateway of the same system."""
    with system.gateway() as url, Client(url) as client:
        yield client


@pytest.fixture(scope="session", name="proxied")
def _proxied(system: System) -> Iterator[str]:
    """The URL of a gateway behind a proxy on this machine, which reports the addresses of clients."""
    with system.gateway(GATEWAY_TRUSTED_PROXIES="127.0.0.1/32") as url:
        yield url


@pytest.fixture(scope="session", name="mailbox")
def _mailbox(system: System) -> Mailbox:
    """The mail that users receive."""
    return Mailbox(system.folder / "mail")


@pytest.fixture(scope="session", name="first_admin")
def _first_admin(client: Client, request: pytest.FixtureRequest) -> User:
    """The admin that the system was started with."""
    if ELSEWHERE:
        names = ("BOOTSTRAP_ADMIN_EMAIL", "BOOTSTRAP_ADMIN_PASSWORD")
        if not all(os.environ.get(name) for name in names):
            pytest.skip(f"needs {' and '.join(names)} beside VESTIBULE_URL")
        email, password = (os.environ[name] for name in names)
    else:
        email, password = request.getfixturevalue("system").admin
    answer = client.post("/api/auth/login", json={"email": email, "password": password})
    assert answer.outcome == (200, None), answer.text
    user = client.who(answer.data["access_token"]).data
    return User(user["id"], email, password, user["full_name"])


@pytest.fixture(scope="module", name="admin")
def _admin(client: Client, first_admin: User) -> User:
    """The first admin, signed in."""
    return client.sign_in(first_admin)


@pytest.fixture(scope="module", name="ada")
def _ada(client: Client) -> User:
    """A signed-in user that no test changes."""
    return client.join(proven=True)


@pytest.fixture(name="origin", scope="session")
def _origin(client: Client) -> str:
    """The gateway by name: browsers accept no passkeys for IP addresses."""
    return client.url.replace("127.0.0.1", "localhost")


@pytest.fixture(name="owner")
def _owner(client: Client, origin: str) -> Owner:
    """A new user with a passkey."""
    user, device = client.join(proven=True), Authenticator(origin)
    credential, made = device.create(registration_options(client, user.access_token))
    added = add(client, user.access_token, made)
    assert added.outcome == (201, None), added.text
    return Owner(user, device, credential, added.data["id"])
