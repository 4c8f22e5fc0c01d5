"""The catalogs of messages are complete in every language."""

import re
import tomllib
from importlib.resources import files

import pytest
from chassis.pages.catalog import read_catalogs

from tests.tidy.tree import ROOT

PACKAGES = sorted(
    folder.parent.name for folder in ROOT.glob("*/src/*/languages") if any(folder.glob("*.toml"))
)
_PLACEHOLDER = re.compile(r"\{\w+\}")


def test_services_with_pages_have_catalogs() -> None:
    """The list below is not empty by mistake."""
    assert {"auth_service", "gateway", "health_aggregator"} <= set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_each_catalog_says_all(package: str) -> None:
    """No message is lacking, unknown or empty, and each has the placeholders of the English one."""
    folder = files(f"{package}.languages")
    english = read_catalogs(folder)["en"].messages
    placeholders = {name: sorted(_PLACEHOLDER.findall(text)) for name, text in english.items()}

    assert {"de", "en"} <= read_catalogs(folder).keys()
    for language in read_catalogs(folder):
        own = _own(tomllib.loads(folder.joinpath(f"{language}.toml").read_text("utf-8")))
        assert own.keys() == english.keys(), language
        assert {name for name, text in own.items() if not text.strip()} == set(), language
        assert {name: sorted(_PLACEHOLDER.findall(text)) for name, text in own.items()} == placeholders


def _own(table: dict[str, object], prefix: str = "") -> dict[str, str]:
    """Returns the messages that a file itself has, by name."""
    messages: dict[str, str] = {}
    for name, value in table.items():
        messages |= (
            _own(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: str(value)}
        )
    return messages
