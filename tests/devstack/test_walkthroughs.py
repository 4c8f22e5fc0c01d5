"""What docs/development.md walks through works: its diffs, applied to a copy of the tree, are served.

`tests/tidy/test_docs_map.py` checks in every run that the diffs apply.
"""

import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from devstack.ports import free_port

from tests.conftest import STACK_ENVIRONMENT, StackFolder
from tests.devstack.running import Up
from tests.system.client import Client, User

ROOT = Path(__file__).parents[2]
DIFFS = ROOT / "docs" / "walkthroughs"

pytestmark = pytest.mark.nightly


class Copy:
    """A copy of the tree with an environment of its own, in which walkthroughs are applied.

    Attributes:
        tree: Where it is.
        python: Its interpreter: imports our packages from the copy, and everything else as usual.
    """

    def __init__(self, tree: Path) -> None:
        self.tree = tree
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
        )
        for name in filter(None, listed.stdout.split("\0")):
            if (ROOT / name).is_file():
                (tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, tree / name)
        self._environment = tree / ".venv"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", self._environment], check=True)
        self.python = str(self._environment / "bin" / "python")

    def apply(self, diff: Path, *options: str) -> None:
        """Applies a diff; its migrations come after those that the tree has."""
        before = self._revisions()
        subprocess.run(["git", "apply", *options, str(diff)], cwd=self.tree, check=True)
        _put_last(before, self._revisions() - before)

    def install(self) -> None:
        """Compiles the protos and installs every member of the workspace, as `make up` does."""
        gen = self.tree / "protos" / "gen"
        _compile(self.tree / "protos", gen)
        packages = self._environment.joinpath(*Path(sysconfig.get_path("purelib")).parts[-3:])
        sources = [*sorted(self.tree.glob("*/src")), gen, self.tree, Path(sysconfig.get_path("purelib"))]
        (packages / "copy.pth").write_text("\n".join(map(str, sources)) + "\n")
        for manifest in self.tree.glob("*/pyproject.toml"):
            project = tomllib.loads(manifest.read_text())["project"]
            folder = packages / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
            folder.mkdir(exist_ok=True)
            metadata = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
            (folder / "METADATA").write_text(metadata)

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Runs a Python module in it."""
        command = [self.python, "-m", *arguments]
        return subprocess.run(command, cwd=self.tree, capture_output=True, check=False, text=True)

    def _revisions(self) -> set[Path]:
        return set(self.tree.glob("*/src/*/migrations/versions/[0-9]*.py"))


def _put_last(before: set[Path], added: set[Path]) -> None:
    """Numbers migrations that a diff brings after those that the tree has got since it was written."""
    for path in sorted(added):
        number = max(int(other.name[:4]) for other in before if other.parent == path.parent) + 1
        text = re.sub(r'^revision = "\d+"', f'revision = "{number:04}"', path.read_text(), flags=re.MULTILINE)
        text = re.sub(
            r'^down_revision = "\d+"', f'down_revision = "{number - 1:04}"', text, flags=re.MULTILINE
        )
        path.unlink()
        path.with_name(f"{number:04}{path.name[4:]}").write_text(text)


def _compile(protos: Path, out: Path) -> None:
    """Does for the copy what `make protos` does: messages, stubs and descriptors."""
    (out / "vestibule").mkdir(parents=True, exist_ok=True)
    command = [
        *(sys.executable, "-m", "grpc_tools.protoc", "-I.", "-Ithird_party"),
        *(f"--python_out={out}", f"--grpc_python_out={out}"),
        *(f"--descriptor_set_out={out / 'vestibule' / 'descriptors.binpb'}", "--include_imports"),
        "--include_source_info",
        *sorted(str(path.relative_to(protos)) for path in (protos / "vestibule").rglob("*.proto")),
        "buf/validate/validate.proto",
    ]
    subprocess.run(command, cwd=protos, check=True)
    for folder in [path for path in out.rglob("*") if path.is_dir()]:
        (folder / "__init__.py").touch()


@pytest.fixture(scope="module", name="copy")
def _copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """A copy with every walkthrough applied."""
    copy = Copy(tmp_path_factory.mktemp("walked"))
    for diff in sorted(DIFFS.glob("*.diff")):
        copy.apply(diff)
    copy.install()
    return copy


@pytest.fixture(scope="module", name="walked")
def _walked(copy: Copy, stack_folder: StackFolder) -> Iterator[Up]:
    """Everything, started in the copy by `make up`'s own command."""
    folder = stack_folder("walked-stack")
    chosen = {f"GREETING_{kind}_PORT": str(free_port()) for kind in ("HTTP", "GRPC")}
    chosen |= {"GATEWAY_API_TITLE": "Clinic <API>", "AUTH_VERIFIED_EMAIL": "off"}
    with Up(folder, python=copy.python, **chosen) as up:
        up.wait_until_ready()
        yield up
        up.stop()


@pytest.fixture(name="client")
def _client(walked: Up) -> Iterator[Client]:
    with Client(walked.wait_until_ready()) as client:
        yield client


@pytest.fixture(name="admin")
def _admin(client: Client) -> User:
    email, password = (STACK_ENVIRONMENT[f"BOOTSTRAP_ADMIN_{name}"] for name in ("EMAIL", "PASSWORD"))
    return client.sign_in(User("", email, password, ""))


def test_a_field_is_kept(client: Client, admin: User) -> None:
    """`pronouns`: in the database, in both directions, validated, and listed."""
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


def test_a_query_is_answered(client: Client) -> None:
    """`GET /api/auth/api-keys/{key_id}`: the caller's own keys only."""
    user, other = client.join(), client.join()
    asked = {"name": "build", "scopes": ["read"]}
    created = client.post("/api/auth/api-keys", json=asked, token=user.access_token)
    path = f"/api/auth/api-keys/{created.data['id']}"

    own = client.get(path, token=user.access_token)
    foreign = client.get(path, token=other.access_token)

    assert (own.status, own.data["name"], own.data["id"]) == (200, "build", created.data["id"])
    assert foreign.outcome == (404, "NOT_FOUND")


def test_a_verb_changes_something(client: Client) -> None:
    """`DELETE /api/auth/sessions`: every session ends except the one that asks."""
    user = client.join()
    elsewhere = client.sign_in(user)

    ended = client.delete("/api/auth/sessions", token=user.access_token)

    assert ended.status == 204
    assert client.get("/api/users/me", token=elsewhere.access_token).outcome == (401, "TOKEN_REVOKED")
    assert client.get("/api/users/me", token=user.access_token).status == 200


def test_a_setting_is_read(walked: Up) -> None:
    """`GATEWAY_API_TITLE` is the title of `/docs`."""
    page = httpx.get(f"{walked.wait_until_ready()}/docs").text

    assert "<title>Clinic &lt;API&gt;</title>" in page


def test_a_service_is_served(client: Client) -> None:
    """`greeting-service` answers at the edge, is documented, validated, and watched."""
    greeted = client.get("/api/greetings/Ada")
    too_long = client.get(f"/api/greetings/{'x' * 41}")
    watched = {each["name"]: each for each in client.get("/api/health").data["components"]}

    assert re.fullmatch(r"Good (morning|afternoon|evening), Ada", greeted.data["greeting"])
    assert too_long.outcome == (422, "VALIDATION_ERROR")
    assert "/api/greetings/{name}" in client.get("/openapi.json").body["paths"]
    assert (watched["greeting-service"]["state"], watched["greeting-service"]["critical"]) == ("up", False)


def test_a_service_is_in_every_list(copy: Copy) -> None:
    """What nothing but the service decides is written by `make docs`; then every list has it."""
    written = copy.run("tests.tidy.service_lists")
    checked = copy.run("pytest", "tests/tidy/test_services.py", "-n", "0")

    assert written.returncode == 0, written.stderr
    assert "k8s/production/redis.acl" in written.stdout
    assert checked.returncode == 0, checked.stdout


def test_a_forgotten_line_is_named(tmp_path: Path) -> None:
    """A service that is a folder and a proto only: a test names each file, and the line to add."""
    copy = Copy(tmp_path)
    copy.apply(DIFFS / "a-service.diff", "--include=greeting-service/*", "--include=protos/*")
    copy.install()

    said = copy.run("pytest", "tests/tidy/test_services.py", "-n", "0", "-k", "every_service").stdout

    for file in ("pyproject.toml", "topology.py", "values.yaml", "_architecture.tpl"):
        assert re.search(rf"{re.escape(file)}: add .*greeting-service", said), said
