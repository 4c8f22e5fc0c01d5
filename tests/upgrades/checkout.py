"""Another release: its tree from git, with an environment of its own."""

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from devstack.database import Database
from devstack.plan import Plan, Ports, straight
from devstack.program import ProgramError
from devstack.release import Release
from devstack.topology import Service

from release import versions

ROOT = Path(__file__).parents[2]
LAST = "last"
"""Stands for the newest release in `docs/releases.md` whose commit is behind this tree."""

_SCRIPT = Path(__file__).with_name("by_its_devstack.py")


class Checkout(Release):
    """A release in a folder; its devstack makes its roles, its schemas and its settings.

    Args:
        name: What to call it.
        python: The interpreter of its environment.
    """

    def __init__(self, name: str, python: str) -> None:
        self.name = name
        self.python = python
        self._environments: dict[str, dict[str, str]] = {}

    @classmethod
    def of(cls, commit: str, folder: Path) -> "Checkout":
        """Checks a commit out and installs it as `make up` would there.

        Args:
            commit: Which one.
            folder: Where to; it is empty.
        """
        tree = _git("archive", "--format=tar", commit)
        with tarfile.open(fileobj=io.BytesIO(tree)) as archive:
            archive.extractall(folder, filter="data")
        sync = (_uv(), "sync", "--frozen", "--no-dev", "--compile-bytecode", "--python", _own_python())
        settings = {"UV_PYTHON_DOWNLOADS": "never", "UV_PROJECT_ENVIRONMENT": ".venv"}
        outside = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
        subprocess.run(sync, cwd=folder, env=outside | settings, check=True)
        return cls(commit[:7], str(folder / ".venv" / "bin" / "python"))

    def provision(self, database: Database, name: str) -> None:
        """Makes the roles and schemas that its services need."""
        del name
        self._ask("provision", _of_database(database))

    def migrate(self, database: Database) -> None:
        """Migrates every schema to its revision; leaves newer ones alone."""
        self._ask("migrate", _of_database(database))

    def environment(self, plan: Plan, service: Service, ports: Ports, name: str) -> dict[str, str]:
        """Returns the environment of one of its processes."""
        del service, ports
        assert plan.route is straight, "a checkout knows no detours"
        if not self._environments:
            self._environments = self._ask("environments", _of_plan(plan))
        return self._environments[name]

    def _ask(self, action: str, system: Mapping[str, Any]) -> Any:
        ran = subprocess.run(
            [self.python, "-P", str(_SCRIPT), action],
            input=json.dumps(system),
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode != 0:
            last = " / ".join(ran.stderr.strip().splitlines()[-3:])
            raise ProgramError(f"the devstack of {self.name} cannot {action}: {last}")
        return json.loads(ran.stdout)


def commit_of(asked: str) -> str:
    """Returns the commit to upgrade from.

    Args:
        asked: Any name that git knows it by, or `last`.

    Raises:
        AssertionError: git knows no such commit.
    """
    if asked != LAST:
        return _resolved(asked)
    head = _resolved("HEAD")
    for _, _, commit in versions.released():
        if commit != head and _tried("merge-base", commit, "HEAD") == commit:
            return commit
    raise AssertionError(
        "git knows no commit of docs/releases.md: fetch the whole history, or name a commit by FROM"
    )


def _resolved(name: str) -> str:
    commit = _tried("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    assert commit, f"git knows no commit {name}: name another one by FROM, or fetch the whole history"
    return commit


def _tried(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    return ran.stdout.strip() if ran.returncode == 0 else ""


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, check=True).stdout


def _uv() -> str:
    own = ROOT / ".tools" / "bin" / "uv"
    found = str(own) if own.exists() else shutil.which("uv")
    assert found, "uv is not there: run this by `make test-upgrade`, which installs it"
    return found


def _own_python() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _of_database(database: Database) -> dict[str, Any]:
    return {"admin_url": database.admin_url, "keys": {"role_passwords": dict(database.passwords)}}


def _of_plan(plan: Plan) -> dict[str, Any]:
    return {
        "settings": dict(plan.settings.environment),
        "keys": asdict(plan.keys),
        "admin_url": plan.database.admin_url,
        "redis_url": plan.redis_url,
        "ports": {name: [(each.http, each.grpc) for each in own] for name, own in plan.ports.items()},
    }
