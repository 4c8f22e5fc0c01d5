"""What docs/development.md walks through works: its diffs are applied to a copy of the tree and called."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from devstack.database import Database
from devstack.release import Release
from devstack.stack import Stack
from devstack.topology import SERVICES

from tests.conftest import STACK_ENVIRONMENT, StackFolder
from tests.migrated_cluster import UNFLUSHED
from tests.system.client import Client, User

ROOT = Path(__file__).parents[2]
DIFFS = ROOT / "docs" / "walkthroughs"
CHANGED = ("protos/vestibule", "protos/third_party", "user-service/src")

USERS = next(service for service in SERVICES if service.name == "user-service")


class Walked(Release):
    """This release with every diff applied, in a folder of its own."""

    name = "the walked-through release"

    def __init__(self, tree: Path) -> None:
        for part in CHANGED:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / part, tree / part, ignore=ignored)
        for diff in sorted(DIFFS.glob("*.diff")):
            before = _revisions(tree)
            subprocess.run(["git", "apply", str(diff)], cwd=tree, check=True)
            _put_last(before, _revisions(tree) - before)
        self._stubs = tree / "protos" / "gen"
        _compile(tree / "protos", self._stubs)
        self._users = tree / USERS.name / "src"

    @property
    def settings(self) -> dict[str, dict[str, str]]:
        """What leads the processes that it changes to its code."""
        return {USERS.name: self._importing(self._users), "gateway": self._importing()}

    def migrate(self, database: Database) -> None:
        """Brings every schema to this release, and its own to the revision that was added."""
        super().migrate(database)
        assert USERS.schema is not None
        url = {f"{USERS.prefix}_MIGRATION_POSTGRES_URL": database.url(USERS.schema.owner)}
        environment = {"PATH": os.environ["PATH"], **self._importing(self._users), **url}
        command = [sys.executable, "-m", USERS.module, "migrate"]
        subprocess.run(command, env=environment, check=True, capture_output=True)

    def _importing(self, *folders: Path) -> dict[str, str]:
        return {"PYTHONPATH": ":".join(map(str, (*folders, self._stubs)))}


def _revisions(tree: Path) -> set[Path]:
    return set((tree / USERS.name).glob("src/*/migrations/versions/[0-9]*.py"))


def _put_last(before: set[Path], added: set[Path]) -> None:
    """Numbers migrations that a diff brings after those that the tree has got since it was written."""
    newest = max(int(path.name[:4]) for path in before)
    for number, path in enumerate(sorted(added), newest + 1):
        text = re.sub(r'^revision = "\d+"', f'revision = "{number:04}"', path.read_text(), flags=re.MULTILINE)
        text = re.sub(
            r'^down_revision = "\d+"', f'down_revision = "{number - 1:04}"', text, flags=re.MULTILINE
        )
        path.unlink()
        path.with_name(f"{number:04}{path.name[4:]}").write_text(text)


def _compile(protos: Path, out: Path) -> None:
    """Does for the copy what `make protos` does: messages, stubs and descriptors."""
    (out / "vestibule").mkdir(parents=True)
    command = [
        *(sys.executable, "-m", "grpc_tools.protoc", "-I.", "-Ithird_party"),
        *(f"--python_out={out}", f"--grpc_python_out={out}"),
        *(f"--descriptor_set_out={out / 'vestibule' / 'descriptors.binpb'}", "--include_imports"),
        "--include_source_info",
        *sorted(str(path.relative_to(protos)) for path in (protos / "vestibule").rglob("*.proto")),
    ]
    subprocess.run(command, cwd=protos, check=True)
    for folder in (out / "vestibule", *(out / "vestibule").rglob("*/")):
        (folder / "__init__.py").touch()


@pytest.fixture(scope="module", name="walked")
def _walked(stack_folder: StackFolder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    release = Walked(tmp_path_factory.mktemp("walked"))
    with Stack(
        stack_folder("walked-stack"),
        STACK_ENVIRONMENT,
        release=release,
        overrides=release.settings,
        postgres_settings=UNFLUSHED,
    ) as stack:
        yield stack


@pytest.fixture(name="client")
def _client(walked: Stack) -> Iterator[Client]:
    with Client(walked.base_url) as client:
        yield client


@pytest.fixture(name="admin")
def _admin(walked: Stack, client: Client) -> User:
    return client.sign_in(User("", *walked.admin, ""))


def test_a_field_is_kept(client: Client, admin: User) -> None:
    """`pronouns`: in the database, in both directions, judged by its constraints, and listed."""
    user = client.join()

    before = client.get("/api/users/me", token=user.access_token)
    changed = client.put("/api/users/me", json={"pronouns": "they"}, token=user.access_token)
    too_long = client.put("/api/users/me", json={"pronouns": "x" * 41}, token=user.access_token)
    listed = client.get(f"/api/users?search={user.email}", token=admin.access_token)

    assert before.data["pronouns"] == ""
    assert (changed.status, changed.data["pronouns"]) == (200, "they")
    assert too_long.outcome == (422, "VALIDATION_ERROR")
    assert [each["pronouns"] for each in listed.data] == ["they"]


def test_a_route_is_served(client: Client, admin: User) -> None:
    """`GET /api/users/count`: documented, for admins alone, and answered."""
    user = client.join()

    counted = client.get("/api/users/count?role=admin", token=admin.access_token)
    refused = client.get("/api/users/count", token=user.access_token)

    assert counted.data == {"total": 1}
    assert refused.outcome == (403, "FORBIDDEN")
    assert "/api/users/count" in client.get("/openapi.json").body["paths"]
