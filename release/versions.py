"""The version: said in the root's `pyproject.toml`, repeated where tools want to read it.

python -m release version 0.2.0
"""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
CHART = ROOT / "helm" / "vestibule" / "Chart.yaml"
RELEASES = ROOT / "docs" / "releases.md"

_SEMANTIC = re.compile(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?")
_IN_PYPROJECT = re.compile(r'^(version = ")([^"]+)(")$', re.MULTILINE)
_IN_CHART = re.compile(r"^((?:appV|v)ersion: )(\S+)()$", re.MULTILINE)
_ROW = re.compile(r"^\| (\d\S*) \| (\S+) \| `([0-9a-f]{40})` \|", re.MULTILINE)


def places() -> Iterator[tuple[Path, re.Pattern[str]]]:
    """Yields each file that says the version, with where in it."""
    yield ROOT / "pyproject.toml", _IN_PYPROJECT
    for path in sorted(ROOT.glob("*/pyproject.toml")):
        yield path, _IN_PYPROJECT
    yield CHART, _IN_CHART


def said() -> dict[str, set[str]]:
    """Returns what each file says the version is."""
    return {
        path.relative_to(ROOT).as_posix(): {found[2] for found in pattern.finditer(path.read_text("utf-8"))}
        for path, pattern in places()
    }


def current() -> str:
    """Returns the version of this tree, as its root says it."""
    found = _IN_PYPROJECT.search((ROOT / "pyproject.toml").read_text("utf-8"))
    assert found is not None, "pyproject.toml has no version"
    return found[2]


def write(version: str) -> None:
    """Writes a version everywhere; `make lock` follows.

    Raises:
        SystemExit: it is no semantic version.
    """
    if not _SEMANTIC.fullmatch(version):
        raise SystemExit(f"{version!r} is no semantic version: write 1.2.3 or 1.2.3-rc.1")
    for path, pattern in places():
        path.write_text(pattern.sub(rf"\g<1>{version}\g<3>", path.read_text("utf-8")), "utf-8")


def released() -> list[tuple[str, str, str]]:
    """Returns version, date and commit of each release in `docs/releases.md`, newest first."""
    return [(row[1], row[2], row[3]) for row in _ROW.finditer(RELEASES.read_text("utf-8"))]
