"""What is installed is what was looked at: the lock names each artefact with its hash, from one place."""

import re
import tomllib
from typing import Any

import pytest

from tests.tidy.tree import ROOT

PACKAGES = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
INDEX = {"registry": "https://pypi.org/simple"}
HASH = re.compile(r"sha256:[0-9a-f]{64}")


def _artefacts(package: dict[str, Any]) -> list[dict[str, Any]]:
    return [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package["name"])
def test_every_artefact_has_a_hash(package: dict[str, Any]) -> None:
    """A package is ours, in this tree, or comes from the index with a SHA-256 for each of its files."""
    if "editable" in package["source"] or "virtual" in package["source"]:
        assert not _artefacts(package)
        return
    assert package["source"] == INDEX
    assert _artefacts(package)
    for artefact in _artefacts(package):
        assert HASH.fullmatch(artefact["hash"]), artefact["url"]
        assert artefact["url"].startswith("https://files.pythonhosted.org/packages/")
