"""The whole house, running: its gateway, an admin and a person."""

import os
from collections.abc import Iterator

import pytest
from devstack.stack import Stack

from tests.collector import Collector
from tests.fakes.authenticator import Authenticator
from tests.system.edge import Edge, Person
from tests.system.house import House
from tests.system.mailbox import Mailbox
from tests.system.passkeys import Owner, add, registration_options

ELSEWHERE = os.environ.get("VESTIBULE_URL")
"""A gateway that runs already, with its rate limits off: whatever needs no more than it is tested there."""


@pytest.fixture(scope="session", name="house")
def _house(request: pytest.FixtureRequest) -> House:
    """The running house, to be looked into and disturbed."""
    if ELSEWHERE:
        pytest.skip("looks behind the gateway of VESTIBULE_URL")
    stack: Stack = request.getfixturevalue("stack")
    return House(stack)


@pytest.fixture(scope="session", name="base_url")
def _base_url(request: pytest.FixtureRequest) -> str:
    """Where the gateway is; its rate limits are off."""
    if ELSEWHERE:
        return ELSEWHERE.rstrip("/")
    house: House = request.getfixturevalue("house")
    return house.base_url


@pytest.fixture(scope="session", name="collector")
def _collector(request: pytest.FixtureRequest) -> Collector:
    """Where the house's traces go."""
    if ELSEWHERE:
        pytest.skip("the traces of VESTIBULE_URL go elsewhere")
    collector: Collector = request.getfixturevalue("collector")
    return collector


@pytest.fixture(scope="session", name="edge")
def _edge(base_url: str, request: pytest.FixtureRequest) -> Iterator[Edge]:
    """A client of the gateway."""
    mailbox = None if ELSEWHERE else request.getfixturevalue("mailbox")
    with Edge(base_url, mailbox=mailbox) as edge:
        yield edge


@pytest.fixture(scope="session", name="mailbox")
def _mailbox(house: House) -> Mailbox:
    """What people find in their mail."""
    return Mailbox(house.folder / "mail")


@pytest.fixture(scope="session", name="first_admin")
def _first_admin(edge: Edge, request: pytest.FixtureRequest) -> Person:
    """The admin whom the house was started with."""
    if ELSEWHERE:
        names = ("BOOTSTRAP_ADMIN_EMAIL", "BOOTSTRAP_ADMIN_PASSWORD")
        if not all(os.environ.get(name) for name in names):
            pytest.skip(f"needs {' and '.join(names)} beside VESTIBULE_URL")
        email, password = (os.environ[name] for name in names)
    else:
        email, password = request.getfixturevalue("house").admin
    answer = edge.post("/api/auth/login", json={"email": email, "password": password})
    assert answer.outcome == (200, None), answer.text
    user = edge.who(answer.data["access_token"]).data
    return Person(user["id"], email, password, user["full_name"])


@pytest.fixture(scope="module", name="admin")
def _admin(edge: Edge, first_admin: Person) -> Person:
    """The first admin, signed in."""
    return edge.sign_in(first_admin)


@pytest.fixture(scope="module", name="ada")
def _ada(edge: Edge) -> Person:
    """A person, signed in, whom no test changes."""
    return edge.join(proven=True)


@pytest.fixture(name="origin", scope="session")
def _origin(edge: Edge) -> str:
    """Browsers know no passkeys for addresses, so on loopback the house goes by this name."""
    return edge.url.replace("127.0.0.1", "localhost")


@pytest.fixture(name="owner")
def _owner(edge: Edge, origin: str) -> Owner:
    """Somebody new with a passkey."""
    person, device = edge.join(proven=True), Authenticator(origin)
    credential, made = device.create(registration_options(edge, person.access_token))
    added = add(edge, person.access_token, made)
    assert added.outcome == (201, None), added.text
    return Owner(person, device, credential, added.data["id"])
