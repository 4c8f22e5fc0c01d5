"""The lock names each artefact with its hash, from one index."""

import re
import tomllib
from functools import cache
from typing import Any

from tests.tidy.tree import ROOT

INDEX = {"registry": "https://pypi.org/simple"}
HASH = re.compile(r"sha256:[0-9a-f]{64}")


@cache
def packages() -> list[dict[str, Any]]:
    """Returns what the lock holds."""
    found: list[dict[str, Any]] = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    return found


def _artefacts(package: dict[str, Any]) -> list[dict[str, Any]]:
    return [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]


def test_every_artefact_has_a_hash() -> None:
    """A package is ours, in this tree, or comes from the index with a SHA-256 for each of its files."""
    for package in packages():
        if "editable" in package["source"] or "virtual" in package["source"]:
            assert not _artefacts(package), package["name"]
            continue
        assert package["source"] == INDEX, package["name"]
        assert _artefacts(package), package["name"]
        for artefact in _artefacts(package):
            assert HASH.fullmatch(artefact["hash"]), artefact["url"]
            assert artefact["url"].startswith("https://files.pythonhosted.org/packages/")
