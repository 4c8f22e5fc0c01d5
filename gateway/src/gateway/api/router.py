"""Finds the endpoints of a path: fixed paths by one look-up, paths with variables part by part."""

from collections.abc import Iterable
from dataclasses import field
from typing import Generic, TypeVar
from urllib.parse import unquote_to_bytes

from chassis.dataclass import dataclass
from google.protobuf.descriptor import FieldDescriptor

Endpoint = TypeVar("Endpoint")

_DOTS = frozenset({".", ".."})


@dataclass(slots=True)
class _Path(Generic[Endpoint]):
    segments: tuple[str | FieldDescriptor, ...]
    by_method: dict[str, Endpoint] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Match(Generic[Endpoint]):
    """A matched path.

    Attributes:
        by_method: The endpoint of each HTTP method.
        values: The decoded value of each variable.
    """

    by_method: dict[str, Endpoint]
    values: dict[str, str]


class Router(Generic[Endpoint]):
    """Maps paths to endpoints."""

    def __init__(self, routes: Iterable[tuple[str, tuple[str | FieldDescriptor, ...], Endpoint]]) -> None:
        self._fixed: dict[bytes, Match[Endpoint]] = {}
        self._variable: dict[int, list[_Path[Endpoint]]] = {}
        paths: dict[tuple[str, ...], _Path[Endpoint]] = {}
        for method, segments, endpoint in routes:
            key = tuple(part if isinstance(part, str) else "{}" for part in segments)
            paths.setdefault(key, _Path(segments)).by_method[method] = endpoint
        for path in paths.values():
            words = [part for part in path.segments if isinstance(part, str)]
            if len(words) == len(path.segments):
                self._fixed[b"/" + "/".join(words).encode()] = Match(path.by_method, {})
            else:
                self._variable.setdefault(len(path.segments), []).append(path)

    def find(self, raw_path: bytes) -> Match[Endpoint] | None:
        """Returns the match of a path; None if there is none.

        Args:
            raw_path: The path, still percent-encoded: an encoded slash separates nothing.
        """
        fixed = self._fixed.get(raw_path)
        if fixed is not None:
            return fixed
        parts = _parts(raw_path)
        if not _DOTS.isdisjoint(parts):
            # Clients resolve dot segments before they send a path (RFC 3986, 5.2.4).
            return None
        for path in self._variable.get(len(parts), ()):
            values = _values(path.segments, parts)
            if values is not None:
                return Match(path.by_method, values)
        return None


def _parts(raw_path: bytes) -> list[str]:
    """Returns the decoded parts. Invalid UTF-8 is replaced, and refused by the field's own rules."""
    if b"%" not in raw_path:
        return raw_path[1:].decode(errors="replace").split("/")
    return [unquote_to_bytes(part).decode(errors="replace") for part in raw_path[1:].split(b"/")]


def _values(segments: tuple[str | FieldDescriptor, ...], parts: list[str]) -> dict[str, str] | None:
    values: dict[str, str] = {}
    for segment, part in zip(segments, parts, strict=True):
        if isinstance(segment, str):
            if segment != part:
                return None
        elif not part:
            return None
        else:
            values[segment.name] = part
    return values
