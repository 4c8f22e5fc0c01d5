"""What `make up` refuses: one clear line, status 1, and nothing left behind."""

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from devstack.ports import free_port
from devstack.postgres import Postgres
from devstack.program import bound_to_us, group_of

from tests.conftest import ClusterCopy
from tests.devstack.running import Up, until_none_is_left

UNPRIVILEGED = 65_534
NIGHTLY = pytest.mark.nightly


def _refused(up: Up) -> str:
    """Waits for the end and returns its only line."""
    with up:
        assert up.wait() == 1, up.output
    assert until_none_is_left(up.data_dir) == {}
    lines = [line for line in up.output.splitlines() if line.startswith("vestibule: ")]
    assert len(lines) == 1, up.output
    assert "Traceback" not in up.output
    return lines[0]


def test_taken_port(tmp_path: Path) -> None:
    """The line names the port and the setting."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = _refused(Up(tmp_path, GATEWAY_PORT=str(port)))
        assert f"GATEWAY_PORT: port {port} is in use; set another one" in line

        line = _refused(Up(tmp_path, AUTH_GRPC_PORT=str(port)))
        assert f"AUTH_GRPC_PORT: port {port} is in use; set another one" in line


@pytest.mark.parametrize("port", ["http", *(pytest.param(each, marks=NIGHTLY) for each in ("70000", "-1"))])
def test_no_port(tmp_path: Path, port: str) -> None:
    """A value that is not a port is refused as such."""
    assert f"GATEWAY_PORT={port} is not a port" in _refused(Up(tmp_path, GATEWAY_PORT=port))


def test_postgres_url_to_nowhere(tmp_path: Path) -> None:
    """The line names setting and place, not the password."""
    port = free_port()
    line = _refused(Up(tmp_path, POSTGRES_URL=f"postgresql://postgres:hidden@127.0.0.1:{port}/postgres"))

    assert f"POSTGRES_URL (127.0.0.1:{port}) cannot be used" in line
    assert "hidden" not in line


@pytest.mark.parametrize(
    "url",
    ["nonsense", *(pytest.param(each, marks=NIGHTLY) for each in ("postgresql://[", "mysql://127.0.0.1/db"))],
)
@pytest.mark.nightly
def test_postgres_url_that_is_none(tmp_path: Path, url: str) -> None:
    """Not even a URL."""
    assert "POSTGRES_URL" in _refused(Up(tmp_path, POSTGRES_URL=url))


@pytest.mark.nightly
def test_postgres_url_with_wrong_password(tmp_path: Path, postgres: Postgres) -> None:
    """The line has the reason that Postgres gives."""
    line = _refused(Up(tmp_path, POSTGRES_URL=postgres.url(password="wrong")))

    assert "password authentication failed" in line


@pytest.mark.nightly
def test_redis_url_to_nowhere(tmp_path: Path) -> None:
    """The line names setting and place."""
    port = free_port()

    assert f"REDIS_URL (127.0.0.1:{port}) does not answer" in _refused(
        Up(tmp_path, REDIS_URL=f"redis://127.0.0.1:{port}/0")
    )


def test_folder_that_is_a_file(tmp_path: Path) -> None:
    """The file is named."""
    file = tmp_path / "file"
    file.touch()
    line = _refused(Up(file))

    assert str(file) in line
    assert "set DATA_DIR to a folder that can be written" in line


@pytest.mark.nightly
def test_folder_of_another_version(tmp_path: Path) -> None:
    """Data of another major version of Postgres is left alone."""
    data = tmp_path / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("17\n")
    line = _refused(Up(tmp_path))

    assert "holds data of Postgres 17, and this is Postgres 18" in line
    assert [data / "PG_VERSION"] == list(data.iterdir())


def test_damaged_secrets(tmp_path: Path) -> None:
    """Lost secrets are not replaced: what they encrypted would be lost too."""
    (tmp_path / "secrets").write_text("{")

    assert "secrets is damaged" in _refused(Up(tmp_path))


def test_setting_that_a_service_refuses(tmp_path: Path, copy_cluster: ClusterCopy) -> None:
    """The service's own line comes through."""
    copy_cluster(tmp_path / "postgres")
    line = _refused(Up(tmp_path, AUTH_HASH_WORKERS="many"))

    assert "auth-service ended with status 1: AUTH_HASH_WORKERS is wrong" in line


@pytest.fixture(name="users_folder")
def _users_folder() -> Iterator[Path]:
    """A folder that belongs to an ordinary user."""
    if os.geteuid() != 0:
        pytest.skip("every other test runs as an ordinary user already")
    folder = Path(tempfile.mkdtemp(prefix="vestibule-"))
    os.chown(folder, UNPRIVILEGED, group_of(UNPRIVILEGED))
    yield folder
    shutil.rmtree(folder)


@pytest.mark.nightly
def test_as_an_ordinary_user(users_folder: Path) -> None:
    """It also runs without root; the user may enter closed folders to reach this Python."""
    as_user = bound_to_us([], signal="KILL", user=UNPRIVILEGED)
    with Up(users_folder / "data", *as_user) as up:
        up.wait_until_ready()
        assert {path.stat().st_uid for path in users_folder.rglob("*")} == {UNPRIVILEGED}
        assert up.stop() == 0
        assert until_none_is_left(users_folder) == {}


def test_folder_of_an_ordinary_user_as_root(users_folder: Path) -> None:
    """Root uses the data with the owner that it has."""
    server = Postgres(users_folder / "postgres")
    server.start()
    server.stop()
    data = users_folder / "postgres" / "data"
    os.chown(data, UNPRIVILEGED, group_of(UNPRIVILEGED))
    for path in data.rglob("*"):
        os.chown(path, UNPRIVILEGED, group_of(UNPRIVILEGED))
    server.start()
    server.stop()

    assert data.stat().st_uid == UNPRIVILEGED
