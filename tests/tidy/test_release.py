"""One version everywhere, and a release that can be made of this tree."""

import gzip
import json
import tarfile
from pathlib import Path

import pytest
import yaml

from release import contents, versions
from tests.upgrades.checkout import LAST, commit_of


def test_version_is_said_once_and_repeated_right() -> None:
    """Packages, chart and the images that it names by default have the root's version."""
    assert {path: {versions.current()} for path in versions.said()} == versions.said()
    assert len(versions.said()) == 11


def test_lock_has_the_version() -> None:
    """`make lock` was run after the version had been written."""
    lock = (versions.ROOT / "uv.lock").read_text("utf-8")

    for service in contents.SERVICES:
        assert f'name = "vestibule-{service}"\nversion = "{versions.current()}"' in lock


def test_upgrade_is_tested_from_the_last_release() -> None:
    """`FROM=last` reads the page that `make release` writes."""
    assert commit_of(LAST) in {commit for _, _, commit in versions.released()}


def test_changelog_has_the_notes(tmp_path: Path) -> None:
    """A release says what has changed, and nothing of the one before."""
    changelog = "# Changelog\n\n## [Unreleased]\n\n- new\n\n## [0.1.0] - 2026-12-01\n\n- first\n"

    assert contents.notes(changelog, "0.2.0") == "# Vestibule 0.2.0\n\n- new\n"
    assert contents.notes(changelog, "0.1.0") == "# Vestibule 0.1.0\n\n- first\n"
    assert contents.write_notes(tmp_path, versions.current()).stat().st_size > 100
    with pytest.raises(SystemExit, match="CHANGELOG"):
        contents.notes("# Changelog\n", "0.2.0")


def test_chart_is_packaged_with_what_helm_shows(tmp_path: Path) -> None:
    """The package has a readme and an icon, the catalog's annotations, and the same bytes each time."""
    version = versions.current()
    packed = contents.write_chart(tmp_path, version).read_bytes()
    with tarfile.open(fileobj=gzip.open(tmp_path / f"vestibule-{version}.tgz")) as archive:
        names = set(archive.getnames())
        chart = archive.extractfile("vestibule/Chart.yaml")
        assert chart is not None
        described = yaml.safe_load(chart)

    assert {"vestibule/README.md", "vestibule/values.yaml", "vestibule/templates/deployment.yaml"} <= names
    assert not any(name.startswith("vestibule/ci/") for name in names)
    assert described["icon"].startswith(("https://", "data:image/svg+xml"))
    assert {"artifacthub.io/license", "artifacthub.io/changes", "artifacthub.io/category"} <= described[
        "annotations"
    ].keys()
    assert contents.write_chart(tmp_path, version).read_bytes() == packed


def test_bill_of_materials_is_the_locks(tmp_path: Path) -> None:
    """Every package of an image is in it with its hash, and none of another service's."""
    if not contents.UV.exists():
        pytest.skip("uv is not in .tools")
    bill = json.loads(contents.write_bill(tmp_path, "gateway", versions.current()).read_text("utf-8"))
    found = {each["name"] for each in bill["components"]}

    assert (bill["bomFormat"], bill["metadata"]["component"]["type"]) == ("CycloneDX", "container")
    assert {"grpcio", "uvicorn", "vestibule-chassis"} <= found
    assert not {"pytest", "argon2-cffi", "vestibule-auth-service"} & found


def test_checksums_are_those_of_the_files(tmp_path: Path) -> None:
    """One line for each file, none for itself."""
    (tmp_path / "a").write_text("a")
    text = contents.write_checksums(tmp_path).read_text()

    assert text == "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb  a\n"
    assert contents.write_checksums(tmp_path).read_text() == text
