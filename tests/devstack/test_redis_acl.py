"""In `make up`'s Valkey each service may do what it needs, and no client does anything without a password."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from devstack.redis_acl import ADMIN, RULES, acl_file, as_user, kept_passwords
from devstack.valkey import Valkey
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError
from redis.retry import Retry

ONCE = Retry(NoBackoff(), 0)
"""A refusal is not worth another attempt."""


@pytest.fixture(name="guarded", scope="module")
def _guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    folder = tmp_path_factory.mktemp("guarded")
    valkey = Valkey(folder, passwords=kept_passwords(folder / "passwords"))
    valkey.start()
    with Redis.from_url(valkey.url) as admin:
        admin.xadd("vestibule:events", {"event": "x"})
        admin.xgroup_create("vestibule:events", "auth-service", id="0")
        admin.set("vestibule:limit:login:x", "1")
    yield valkey
    valkey.stop()


def as_service(valkey: Valkey, name: str) -> "Redis":
    """Returns a client that is a service's user."""
    return Redis.from_url(as_user(valkey.url, name, valkey.passwords[name]))


def test_no_client_without_a_password(guarded: Valkey) -> None:
    """The default user is off; a wrong password is refused."""
    for name, password in ((None, None), (ADMIN, "wrong")):
        with (
            Redis(port=guarded.port, username=name, password=password, retry=ONCE) as stranger,
            pytest.raises((AuthenticationError, ResponseError)),
        ):
            stranger.ping()


@pytest.mark.parametrize(
    ("service", "command"),
    [
        ("gateway", "XADD vestibule:events * event x"),
        ("gateway", "XADD vestibule:pulse:auth-service * since 1"),
        ("gateway", "XRANGE vestibule:dead-letters:auth-service - +"),
        ("gateway", "FLUSHALL"),
        ("gateway", "CONFIG GET *"),
        ("gateway", "KEYS *"),
        ("auth-service", "XADD vestibule:pulse:user-service * since 1"),
        ("auth-service", "XDEL vestibule:events 0-1"),
        ("auth-service", "XTRIM vestibule:events MAXLEN 0"),
        ("auth-service", "DEL vestibule:events"),
        ("auth-service", "GET vestibule:limit:login:x"),
        ("auth-service", "XADD vestibule:dead-letters:user-service * event x"),
        ("user-service", "XADD vestibule:pulse:auth-service * since 1"),
        ("user-service", "DEL vestibule:pulse:auth-service"),
        ("user-service", "ACL LIST"),
        ("user-service", "CLIENT KILL ID 1"),
        ("health-aggregator", "XADD vestibule:events * event x"),
        ("health-aggregator", "XREAD STREAMS vestibule:events 0"),
        ("health-aggregator", "GET vestibule:limit:login:x"),
        ("health-aggregator", "SHUTDOWN"),
    ],
)
def test_keys_of_another_service_are_refused(guarded: Valkey, service: str, command: str) -> None:
    """A compromised service reaches only its own keys, by the commands that it uses."""
    with as_service(guarded, service) as redis, pytest.raises(NoPermissionError):
        redis.execute_command(*command.split(" "))


def test_secrets_are_in_private_files(guarded: Valkey) -> None:
    """Passwords are in no argument, and only their hashes in the server's file."""
    assert guarded.process is not None
    arguments = Path(f"/proc/{guarded.process.pid}/cmdline").read_bytes().decode()
    users = guarded.folder / "users.acl"
    for name in (ADMIN, *RULES):
        assert guarded.passwords[name] not in arguments
        assert guarded.passwords[name] not in users.read_text()
    for file in (users, guarded.folder / "passwords"):
        assert file.stat().st_mode & 0o077 == 0


def rules_in(text: str) -> dict[str, str]:
    """Returns the rules of each user in an ACL file, without the passwords."""
    users = [line.split() for line in text.splitlines() if line.strip().startswith("user ")]
    return {words[1]: " ".join(word for word in words[2:] if word[0] not in ">#") for words in users}


@pytest.mark.parametrize("path", ["k8s/production/redis.acl", "k8s/backends/valkey.yaml"])
def test_clusters_have_the_same_users(path: str) -> None:
    """The files for production and development have the rules of `make up`."""
    passwords = dict.fromkeys((ADMIN, *RULES), "x")

    assert rules_in((Path(__file__).parents[2] / path).read_text()) == rules_in(acl_file(passwords))
