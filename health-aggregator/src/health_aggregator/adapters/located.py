"""Reads TOML and YAML so that each value knows its line."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from health_aggregator.domain.errors import TargetsRefused

_Place: TypeAlias = tuple[str | int, ...]

LIMIT_BYTES = 1024 * 1024
_NODES = 50_000
_TABLE = re.compile(r"^\s*(\[\[?)\s*([^\]]+?)\s*\]")
_KEY = re.compile(r"""^\s*("[^"]*"|'[^']*'|[A-Za-z0-9_.-]+)\s*=""")
_TOML_PLACE = re.compile(r"\s*\(at line (\d+), column \d+\)|\s*\(at end of document\)")


@dataclass(frozen=True, slots=True)
class Located:
    """A value and the line on which it stands.

    Attributes:
        value: A scalar, a list of `Located`, or a dict from names to `Located`.
        line: From 1 on.
    """

    value: Any
    line: int

    def plain(self) -> Any:
        """Returns the value without lines."""
        if isinstance(self.value, dict):
            return {name: each.plain() for name, each in self.value.items()}
        if isinstance(self.value, list):
            return [each.plain() for each in self.value]
        return self.value


def read_located(path: Path) -> Located:
    """Returns the content of a file: YAML when its name ends so, otherwise TOML.

    Raises:
        TargetsRefused: it cannot be read or parsed; names the line.
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
        line = raw[: error.start].count(b"\n") + 1
        raise TargetsRefused(path.name, "is not UTF-8", line) from error
    return _yaml(path.name, text) if path.suffix in {".yaml", ".yml"} else _toml(path.name, text)


def _toml(source: str, text: str) -> Located:
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = _TOML_PLACE.search(str(error))
        line = int(place[1]) if place and place[1] else text.count("\n") + 1
        raise TargetsRefused(source, _TOML_PLACE.sub("", str(error)), line) from error
    return _locate(content, (), _toml_lines(text), 1)


def _toml_lines(text: str) -> dict[_Place, int]:
    lines: dict[_Place, int] = {}
    counts: dict[_Place, int] = {}
    table: _Place = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _TABLE.match(line):
            table = _path(header[2])
            if header[1] == "[[":
                index = counts[table] = counts.get(table, -1) + 1
                table = (*table, index)
            lines.setdefault(table, number)
        elif key := _KEY.match(line):
            path = (*table, *_path(key[1]))
            for length in range(len(table) + 1, len(path) + 1):
                lines.setdefault(path[:length], number)
    return lines


def _path(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in re.findall(r"""\s*("[^"]*"|'[^']*'|[^.]+)""", dotted))


def _locate(value: Any, path: _Place, lines: dict[_Place, int], line: int) -> Located:
    line = lines.get(path, line)
    if isinstance(value, dict):
        value = {name: _locate(each, (*path, name), lines, line) for name, each in value.items()}
    elif isinstance(value, list):
        value = [_locate(each, (*path, index), lines, line) for index, each in enumerate(value)]
    return Located(value, line)


def _yaml(source: str, text: str) -> Located:
    # Only whoever writes YAML pays for loading its parser.
    import yaml  # noqa: PLC0415

    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise TargetsRefused(source, error.problem or "is not YAML", line) from error
    except yaml.YAMLError as error:
        raise TargetsRefused(source, "is not YAML") from error
    budget = [_NODES]

    def convert(node: Any) -> Located:
        line = node.start_mark.line + 1
        budget[0] -= 1
        if budget[0] < 0:
            raise TargetsRefused(source, "has too many values", line)
        if isinstance(node, yaml.MappingNode):
            return Located({str(key.value): convert(each) for key, each in node.value}, line)
        if isinstance(node, yaml.SequenceNode):
            return Located([convert(each) for each in node.value], line)
        return Located(loader.construct_object(node), line)

    try:
        return convert(root) if root is not None else Located({}, 1)
    except RecursionError as error:
        raise TargetsRefused(source, "contains itself") from error
    except (yaml.YAMLError, ValueError) as error:
        raise TargetsRefused(source, "holds a value that is not YAML's") from error
