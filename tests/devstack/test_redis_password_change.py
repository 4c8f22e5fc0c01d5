"""A Redis password is changed on a running Valkey by the commands that docs/operations.md gives."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from devstack.redis_acl import as_user, kept_passwords
from devstack.valkey import Valkey
from redis import Redis
from redis.exceptions import AuthenticationError

from tests.tidy import tree

USER, NEW = "auth-service", "n" * 43
"""The user of the page's example."""


@pytest.fixture(name="guarded")
def _guarded(tmp_path: Path) -> Iterator[Valkey]:
    valkey = Valkey(tmp_path, passwords=kept_passwords(tmp_path / "passwords"))
    valkey.start()
    yield valkey
    valkey.stop()


def _documented(passwords: dict[str, str]) -> list[list[str]]:
    """Returns the page's commands in order, with the real passwords."""
    page = (tree.ROOT / "docs/operations.md").read_text(encoding="utf-8")
    (paragraph,) = re.findall(r"\*\*Changing a password\*\*(.*?)\n\n", page, re.DOTALL)
    commands = [shlex.split(each) for each in re.findall(r"`(ACL [^`]+)`", paragraph)]
    return [
        [part[0] + passwords[part[1:]] if part[1:] in passwords else part for part in command]
        for command in commands
    ]


def _works(valkey: Valkey, password: str) -> bool:
    with Redis.from_url(as_user(valkey.url, USER, password)) as client:
        try:
            return bool(client.xadd("vestibule:events", {"event": "x"}))
        except AuthenticationError:
            return False


def test_no_step_refuses_a_service(guarded: Valkey) -> None:
    """Old and new pods connect until the last step, connections stay open, and the ACL file is saved."""
    old = guarded.passwords[USER]
    add, save, remove, save_again = _documented({"NEW": NEW, "OLD": old})
    with (
        Redis.from_url(guarded.url) as admin,
        Redis.from_url(as_user(guarded.url, USER, old), single_connection_client=True) as pod,
    ):
        assert pod.ping()
        assert (_works(guarded, old), _works(guarded, NEW)) == (True, False)

        for command in (add, save, ["ACL", "LOAD"]):
            admin.execute_command(*command)
            assert pod.xadd("vestibule:events", {"event": "x"})
        assert (_works(guarded, old), _works(guarded, NEW)) == (True, True)

        for command in (remove, save_again):
            admin.execute_command(*command)
            assert pod.xadd("vestibule:events", {"event": "x"})
        admin.execute_command("ACL", "LOAD")
        assert (_works(guarded, old), _works(guarded, NEW)) == (False, True)
    users = (guarded.folder / "users.acl").read_text(encoding="utf-8")
    assert NEW not in users
    assert old not in users
