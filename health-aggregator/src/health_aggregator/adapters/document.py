"""Reads a TOML or YAML file into plain values."""

import re
import tomllib
from pathlib import Path
from typing import Any

from health_aggregator.domain.errors import TargetsRefused

LIMIT_BYTES = 1024 * 1024
_VALUES_MAX = 50_000
_TOML_LINE = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)")


def read_document(path: Path) -> Any:
    """Returns the content of a file: YAML by its suffix, otherwise TOML.

    Raises:
        TargetsRefused: the file cannot be read or parsed; names the line.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(LIMIT_BYTES + 1)
    except OSError as error:
        raise TargetsRefused(path.name, f"cannot be read: {error.strerror or error}") from error
    if len(raw) > LIMIT_BYTES:
        raise TargetsRefused(path.name, "is larger than 1 MiB")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise TargetsRefused(path.name, "is not UTF-8", raw[: error.start].count(b"\n") + 1) from error
    return _yaml(path.name, text) if path.suffix in {".yaml", ".yml"} else _toml(path.name, text)


def _toml(source: str, text: str) -> Any:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = _TOML_LINE.search(str(error))
        line = int(place[1]) if place and place[1] else text.count("\n") + 1
        raise TargetsRefused(source, _TOML_LINE.sub("", str(error)), line) from error


def _yaml(source: str, text: str) -> Any:
    import yaml  # noqa: PLC0415 only a YAML file needs it

    left = _VALUES_MAX

    def plain(node: Any) -> Any:
        # Converts nodes itself, to count the values: the loader would expand nested aliases without limit.
        nonlocal left
        left -= 1
        if left < 0:
            raise TargetsRefused(source, "has too many values", node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return {str(key.value): plain(value) for key, value in node.value}
        if isinstance(node, yaml.SequenceNode):
            return [plain(value) for value in node.value]
        return loader.construct_object(node)

    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        return {} if root is None else plain(root)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise TargetsRefused(source, error.problem or "is not YAML", line) from error
    except (yaml.YAMLError, ValueError) as error:
        raise TargetsRefused(source, "is not YAML, or contains an invalid value") from error
    except RecursionError as error:
        raise TargetsRefused(source, "contains itself") from error
