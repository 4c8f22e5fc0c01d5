"""Clocks of processes that tests can set, by libfaketime."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

_READ_EVERY_SECONDS = 1
_RIGHT = "+0"


def library() -> Path | None:
    """Returns where Debian's `faketime` keeps its library; None without the package."""
    return next(iter(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)


class Clocks:
    """The clocks of some processes, by name; without the library they cannot be set."""

    def __init__(self, folder: Path, names: Iterable[str]) -> None:
        self._library = library()
        self._offsets = {name: folder / f"{name}.clock" for name in names}
        for offset in self._offsets.values():
            offset.write_text(_RIGHT)

    @property
    def settings(self) -> Mapping[str, Mapping[str, str]]:
        """The environment that each process needs."""
        if self._library is None:
            return {}
        return {
            name: {
                "LD_PRELOAD": str(self._library),
                "FAKETIME_TIMESTAMP_FILE": str(offset),
                "FAKETIME_CACHE_DURATION": str(_READ_EVERY_SECONDS),
                # Only the wall clock steps, as when an operator or NTP sets it.
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            }
            for name, offset in self._offsets.items()
        }

    @contextmanager
    def stepped(self, name: str, seconds: int) -> Iterator[None]:
        """Sets a clock forward or back, and right again in the end; the process sees it within a second."""
        if self._library is None:
            pytest.skip("clocks are set by Debian's `faketime`, which is not installed")
        self._offsets[name].write_text(f"{seconds:+d}")
        try:
            yield
        finally:
            self._offsets[name].write_text(_RIGHT)
