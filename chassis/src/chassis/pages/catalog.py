"""Catalogs of messages, one TOML file per language, and which of them a browser gets."""

import tomllib
from collections.abc import Iterator, Mapping
from importlib.resources.abc import Traversable
from typing import Any

from chassis.dataclass import dataclass

FALLBACK = "en"
"""The language of messages that a catalog lacks, and of users who prefer none that there is."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """The messages of one language.

    Attributes:
        language: Its tag (BCP 47), which is the file's name.
        messages: By name, such as `signin.title`.
    """

    language: str
    messages: Mapping[str, str]

    def __call__(self, name: str, **values: object) -> str:
        """Returns a message with its placeholders filled in.

        Raises:
            KeyError: no catalog has it, or a placeholder has no value.
        """
        message = self.messages[name]
        return message.format(**values) if values else message

    def below(self, prefix: str) -> dict[str, str]:
        """Returns the messages whose names begin with a prefix, without it."""
        return {
            name.removeprefix(prefix): message
            for name, message in self.messages.items()
            if name.startswith(prefix)
        }


def read_catalogs(folder: Traversable) -> Mapping[str, Catalog]:
    """Returns every catalog in a folder by language; what a file lacks is in English."""
    read = {
        file.name.removesuffix(".toml"): dict(_flat(tomllib.loads(file.read_text("utf-8"))))
        for file in folder.iterdir()
        if file.name.endswith(".toml")
    }
    return {
        language: Catalog(language, read[FALLBACK] | messages) for language, messages in sorted(read.items())
    }


def preferred(
    catalogs: Mapping[str, Catalog], chosen: str, accept_language: str, fallback: str = FALLBACK
) -> Catalog:
    """Returns the catalog of the language that the user chose, else of the one the browser prefers most.

    Args:
        catalogs: All of them by language.
        chosen: The language chosen on a page; empty for none.
        accept_language: The browser's `Accept-Language` (RFC 9110, 12.5.4).
        fallback: The language of users who prefer none that there is.
    """
    for tag in (chosen, *_by_preference(accept_language)):
        language = tag.partition("-")[0].lower()
        if language in catalogs:
            return catalogs[language]
    return catalogs[fallback]


def _by_preference(accept_language: str) -> list[str]:
    weighted = []
    for part in accept_language[:500].split(","):
        tag, _, parameter = part.partition(";")
        weighted.append((_weight(parameter), tag.strip()))
    return [tag for weight, tag in sorted(weighted, key=lambda each: -each[0]) if weight > 0]


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        if isinstance(value, str):
            yield f"{prefix}{name}", value
        else:
            yield from _flat(value, f"{prefix}{name}.")
