"""`make up` as a process: it starts, restarts parts, stops and finds its data again."""

import os
import re
import shutil
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from devstack.plan import KEYS_FOLDER, REDIS_FILE

from tests.conftest import STACK_ENVIRONMENT, ClusterCopy
from tests.devstack.running import Up, leftovers, until_none_is_left
from tests.waiting import wait_for

pytestmark = pytest.mark.nightly

SERVICES = {"auth-service", "user-service", "health-aggregator", "gateway"}


@pytest.fixture(scope="module", name="up")
def _up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A running stack that most tests use, observed where Prometheus is installed."""
    with Up(tmp_path_factory.mktemp("up") / "data", OBSERVE="1", PROMETHEUS_PORT="0") as up:
        up.wait_until_ready()
        yield up
        assert up.stop() == 0, up.output
        assert until_none_is_left(up.data_dir) == {}


def test_reports_where_everything_is(up: Up) -> None:
    """The output and `topology.json` agree, and every service answers."""
    url = up.wait_until_ready()
    topology = up.topology

    assert set(topology["services"]) == SERVICES
    for name, service in topology["services"].items():
        assert httpx.get(f"http://{service['http']}/ready").status_code == 200
        assert f"{name} " in up.output
        assert f"http://{service['http']}" in up.output
        assert str(service["pid"]) in up.output
        assert ("grpc" in service) is (name != "gateway")
        os.kill(service["pid"], 0)
    assert url == f"http://{topology['services']['gateway']['http']}"


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="Debian's prometheus is not installed")
def test_observed_on_demand(up: Up) -> None:
    """With OBSERVE=1 Prometheus runs beside it: it scrapes every service and evaluates the chart's rules."""
    url = up.wait_for(r"^  prometheus +(http://127\.0\.0\.1:\d+) +\d+$").group(1)

    def healthy() -> set[str]:
        targets = httpx.get(f"{url}/api/v1/targets").json()["data"]["activeTargets"]
        return {target["labels"]["job"] for target in targets if target["health"] == "up"}

    wait_for(lambda: healthy() == SERVICES)
    groups = httpx.get(f"{url}/api/v1/rules").json()["data"]["groups"]

    assert "VestibuleServiceDown" in {rule["name"] for group in groups for rule in group["rules"]}


def test_shows_progress(up: Up) -> None:
    """Each step is reported when it is done."""
    for step in ("Postgres 18 is up", "Valkey 9 is up", "migrations are done", "gateway is ready"):
        assert step in up.output


def test_keeps_secrets(up: Up) -> None:
    """Secrets are in files that only the owner may read, and in no output or log."""
    files = [
        *(up.data_dir / name for name in ("secrets", f"{KEYS_FOLDER}/{REDIS_FILE}", "postgres/password")),
        *(up.data_dir / KEYS_FOLDER).glob("*.key"),
    ]
    secrets = [text for file in files for text in re.split(r'["\s]', file.read_text()) if len(text) > 24]
    shown = up.output + "".join(log.read_text() for log in (up.data_dir / "logs").glob("*.log"))

    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert {stat.S_IMODE((up.data_dir / name).stat().st_mode) for name in ("logs", KEYS_FOLDER)} == {0o700}
    assert len(secrets) >= 20
    assert [secret for secret in secrets if secret in shown] == []
    assert STACK_ENVIRONMENT["BOOTSTRAP_ADMIN_PASSWORD"] not in shown


def test_services_know_only_their_own_secrets(up: Up) -> None:
    """A service has only its own database's URL; only auth-service has the master key and the admin."""
    environments = {
        name: Path(f"/proc/{service['pid']}/environ").read_text().split("\0")
        for name, service in up.topology["services"].items()
    }
    for name, environment in environments.items():
        names = {line.partition("=")[0] for line in environment}
        own = {"auth-service": "AUTH_", "user-service": "USERS_", "health-aggregator": "HEALTH_"}.get(name)
        urls = {setting for setting in names if setting.endswith("POSTGRES_URL")}

        assert urls == ({f"{own}POSTGRES_URL", f"{own}MIGRATION_POSTGRES_URL"} if own else set())
        assert ("AUTH_MASTER_KEY" in names) is (name == "auth-service")
        assert ("BOOTSTRAP_ADMIN_PASSWORD" in names) is (name == "auth-service")


def test_second_stack_in_the_same_folder_is_refused(up: Up) -> None:
    """One clear line, and the first stack goes on."""
    second = Up(up.data_dir)

    assert second.wait() == 1
    last = second.output.splitlines()[-1]
    assert "is in use by another stack" in last
    assert str(up.process.pid) in last
    assert httpx.get(f"{up.wait_until_ready()}/ready").status_code == 200


@pytest.mark.parametrize("name", ["gateway", "postgres", "user-service", "redis"])
def test_part_that_dies_is_named_and_started_again(up: Up, name: str) -> None:
    """It comes back at the same address as another process, and the system works."""
    before = up.pids[name]
    os.kill(before, signal.SIGKILL)

    up.wait_for(rf"^vestibule: {name} (was ended by SIGKILL|ended with status -9).*starting it again in")
    up.wait_for(rf"^vestibule: {name} is back after .* \(process \d+\)")
    assert up.pids[name] != before
    _until_signed_in(up.wait_until_ready())


def test_second_start_finds_its_data(tmp_path: Path, copy_cluster: ClusterCopy) -> None:
    """A registered user exists after a restart, and so does the one admin.

    Where Prometheus is not installed, the output says so, and everything else starts.
    """
    copy_cluster(tmp_path / "postgres")
    user = {"email": "ada@example.com", "password": "plum-harbor-velvet-quill", "full_name": "Ada"}
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("setpriv", "true"):
        (programs / name).symlink_to(str(shutil.which(name)))
    with Up(tmp_path, OBSERVE="1", PATH=str(programs)) as first:
        url = first.wait_until_ready()
        assert "OBSERVE=1, but `prometheus` is not installed" in first.output
        assert httpx.post(f"{url}/api/auth/register", json=user).status_code == 201
        assert first.stop() == 0
        assert leftovers(tmp_path) == {}
        assert not (tmp_path / "topology.json").exists()
    with Up(tmp_path) as second:
        url = second.wait_until_ready()
        del user["full_name"]
        assert httpx.post(f"{url}/api/auth/login", json=user).status_code == 200
        _until_signed_in(url)
        second.process.kill()
        assert until_none_is_left(tmp_path) == {}, "a part whose supervisor is gone stops by itself"


def test_ctrl_c_while_starting(tmp_path: Path) -> None:
    """Interrupted in the middle of a start, it leaves nothing behind."""
    with Up(tmp_path) as up:
        up.wait_for("Valkey 9 is up")
        up.process.send_signal(signal.SIGINT)
        assert up.wait() == 0, up.output
        assert until_none_is_left(tmp_path) == {}


def _until_signed_in(url: str) -> None:
    """Signs the first admin in; parts that have just started may answer 503 for a while."""
    admin = {
        "email": STACK_ENVIRONMENT["BOOTSTRAP_ADMIN_EMAIL"],
        "password": STACK_ENVIRONMENT["BOOTSTRAP_ADMIN_PASSWORD"],
    }

    def is_signed_in() -> bool:
        try:
            return httpx.post(f"{url}/api/auth/login", json=admin, timeout=10).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    wait_for(is_signed_in)
