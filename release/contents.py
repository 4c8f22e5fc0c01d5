"""What a release hands out beside the images: the chart, bills of materials, notes, checksums."""

import gzip
import hashlib
import io
import json
import re
import subprocess
import tarfile
from pathlib import Path
from typing import Any

from devstack import topology
from release.versions import ROOT

UV = ROOT / ".tools" / "bin" / "uv"
CHANGELOG = ROOT / "CHANGELOG.md"
SERVICES = tuple(service.name for service in topology.SERVICES)


def write_chart(folder: Path, version: str) -> Path:
    """Packages the chart as `helm package` does; the same tree gives the same bytes."""
    chart = ROOT / "helm" / "vestibule"
    ignored = {"ci"}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path in sorted(chart.rglob("*")):
            inside = path.relative_to(chart)
            if path.is_file() and inside.parts[0] not in ignored:
                entry = tarfile.TarInfo(f"vestibule/{inside.as_posix()}")
                content = path.read_bytes()
                entry.size, entry.mode = len(content), 0o644
                archive.addfile(entry, io.BytesIO(content))
    target = folder / f"vestibule-{version}.tgz"
    target.write_bytes(gzip.compress(packed.getvalue(), mtime=0))
    return target


def write_bill(folder: Path, service: str, version: str) -> Path:
    """Writes the CycloneDX bill of materials of a service's image: what the lock puts into it."""
    command = [str(UV), "export", "--frozen", "--no-dev", "--package", f"vestibule-{service}"]
    command += ["--format", "cyclonedx1.5", "--preview-features", "sbom-export"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    bill: dict[str, Any] = json.loads(said)
    image = bill["metadata"]["component"]
    image["type"], image["name"], image["version"] = "container", f"vestibule/{service}", version
    target = folder / f"{service}-{version}.cdx.json"
    target.write_text(json.dumps(bill, indent=2) + "\n", "utf-8")
    return target


def write_notes(folder: Path, version: str) -> Path:
    """Takes the notes of a version out of the changelog; those of the next one when it is not there yet."""
    target = folder / f"notes-{version}.md"
    target.write_text(notes(CHANGELOG.read_text("utf-8"), version), "utf-8")
    return target


def notes(changelog: str, version: str) -> str:
    """Returns a version's part of the changelog, or what is not released yet.

    Raises:
        SystemExit: there is neither.
    """
    parts = re.split(r"^## ", changelog, flags=re.MULTILINE)[1:]
    for name in (f"[{version}]", "[Unreleased]"):
        for part in parts:
            if part.startswith(name):
                return f"# Vestibule {version}\n" + part.partition("\n")[2].rstrip() + "\n"
    raise SystemExit(f"CHANGELOG.md says nothing about {version}: add it")


def write_checksums(folder: Path) -> Path:
    """Writes SHA-256 of every file, as `sha256sum --check` reads it."""
    target = folder / "SHA256SUMS"
    files = sorted(path for path in folder.iterdir() if path != target)
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    target.write_text("".join(lines), "utf-8")
    return target
