"""The boards are up to date, and every query in them finds data in the running system."""

import json
import math
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from devstack.prometheus import Prometheus
from devstack.stack import Stack

from helm.boards import BOARDS
from helm.write_boards import written
from tests.observability.rules import alerts, recorded
from tests.system.client import Client

WITHIN_SECONDS = 40.0

NOT_MEASURED_HERE = {
    "VestibuleCertificateExpires": "services speak in the clear on one machine: there is no certificate",
}
"""Alerts whose measurements a system on one machine does not have, each with the reason."""

BOARD_NAMES = [board.name for board in BOARDS]


def test_files_are_what_the_script_writes() -> None:
    """Boards and the objectives' rules are those that `make docs` writes."""
    expected = written()
    kept = {path for folder in {path.parent for path in expected} for path in folder.glob("*.json")}

    assert {path.name for path, text in expected.items() if path.read_text() != text} == set()
    assert kept <= expected.keys(), "a board that `make docs` does not write"


@pytest.mark.parametrize("name", BOARD_NAMES)
def test_board_is_drawn_without_overlap(name: str) -> None:
    """Panels have distinct titles and places, and none is empty."""
    (path,) = (path for path in written() if path.stem == name)
    board = json.loads(path.read_text())
    taken = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in board["panels"]
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]

    assert len(taken) == len(set(taken))
    assert len({panel["title"] for panel in board["panels"]}) == len(board["panels"])
    assert all(panel["targets"] for panel in board["panels"])
    assert board["uid"] == f"vestibule-{name}"


@pytest.fixture(scope="module", name="prometheus")
def _prometheus(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A real Prometheus that scrapes the running system every second."""
    if shutil.which("prometheus") is None:
        pytest.skip("Debian's prometheus is not installed")
    targets: dict[str, list[str]] = {}
    for process in stack.services.values():
        targets.setdefault(process.service.name, []).append(process.http)
    server = Prometheus(tmp_path_factory.mktemp("prometheus"), targets, interval_seconds=1)
    try:
        server.start()
        use(stack)
        until(server, f"min(count_over_time(up[1m])) >= 2 and sum(up) == {sum(map(len, targets.values()))}")
        # Prometheus does not count an increase before the first sample of a counter.
        use(stack)
        yield server
    finally:
        server.stop()


def use(stack: Stack) -> None:
    """Makes a few calls of every kind: registers, signs in, reads, changes, is refused, signs out."""
    with Client(stack.base_url) as client:
        ada = client.join()
        for _ in range(2):
            client.who(ada.access_token)
        client.put("/api/users/me", token=ada.access_token, json={"full_name": "Ada King"})
        client.get("/api/users", token=ada.access_token)
        client.post("/api/auth/login", json={"email": ada.email, "password": "wrong-horse-battery"})
        # Sharing is audited, and so published.
        document = {"title": "Warfarin", "text": "Grapefruit and warfarin.", "visibility": "role:user"}
        path = f"/api/knowledge/documents/{uuid4()}"
        client.put(path, token=ada.access_token, json=document)
        client.post("/api/knowledge/search", token=ada.access_token, json={"query": "warfarin"})
        # Other tests would find it.
        client.delete(path, token=ada.access_token)
        httpx.post(
            f"{stack.base_url}/api/voice/speak",
            headers={"Authorization": f"Bearer {ada.access_token}"},
            json={"text": "Good morning."},
            timeout=60,
        ).raise_for_status()
        client.get("/api/health")
        client.get("/.well-known/jwks.json")
        httpx.get(f"{stack.base_url}/status")
        client.post("/api/auth/logout", token=ada.access_token)
        client.who(ada.access_token)


def ask(prometheus: Prometheus, expression: str) -> list[float]:
    """Returns the values of a query that are numbers."""
    answer = httpx.get(f"{prometheus.url}/api/v1/query", params={"query": expression}, verify=False).json()
    assert answer["status"] == "success", (expression, answer)
    result: Sequence[Any] = answer["data"]["result"]
    values = [float(each["value"][1]) for each in result]
    return [value for value in values if not math.isnan(value)]


def until(prometheus: Prometheus, *expressions: str) -> list[str]:
    """Waits until each of some queries has data; returns those that never do."""
    deadline = time.monotonic() + WITHIN_SECONDS
    silent = list(expressions)
    while silent and time.monotonic() < deadline:
        silent = [each for each in silent if not ask(prometheus, each)]
        if silent:
            time.sleep(0.3)
    return silent


def queries(path: Path) -> list[str]:
    """Returns every query of a board."""
    panels = json.loads(path.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


@pytest.mark.nightly
@pytest.mark.parametrize("name", BOARD_NAMES)
def test_every_query_of_a_board_has_data(prometheus: Prometheus, name: str) -> None:
    """No panel shows "No data"."""
    (path,) = (path for path in written() if path.stem == name)

    assert until(prometheus, *queries(path)) == []


@pytest.mark.nightly
def test_every_alert_measures_something(prometheus: Prometheus) -> None:
    """What each alert compares exists while all is well, and so does every recorded series."""
    measured = [each for alert in alerts() if alert.name not in NOT_MEASURED_HERE for each in alert.measured]

    assert until(prometheus, *measured, *recorded()) == []


@pytest.mark.nightly
def test_no_alert_fires_in_a_healthy_system(prometheus: Prometheus) -> None:
    """The rules are loaded and evaluated without an error, and none of them fires."""
    rules = httpx.get(f"{prometheus.url}/api/v1/rules").json()["data"]["groups"]
    every = [rule for group in rules for rule in group["rules"]]

    assert {rule["name"] for rule in every} == {alert.name for alert in alerts()} | set(recorded())
    assert [rule["name"] for rule in every if rule["health"] == "err"] == []
    assert [rule["name"] for rule in every if rule.get("state") == "firing"] == []
