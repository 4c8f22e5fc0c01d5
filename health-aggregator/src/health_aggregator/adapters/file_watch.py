"""Detects changes of files, also behind the symbolic links of a ConfigMap volume.

It polls, because inotify does not detect that a volume was swapped, and polling takes microseconds.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from chassis import ticks

_Mark = tuple[int, int, int] | None


async def on_change(
    paths: Sequence[Path], changed: Callable[[], Awaitable[object]], every_seconds: float = 2.0
) -> None:
    """Calls `changed` after each change of a file, never concurrently, until cancelled."""
    seen = [_mark(path) for path in paths]
    while True:
        await asyncio.sleep(ticks.until_next(every_seconds))
        marks = [_mark(path) for path in paths]
        if marks != seen:
            seen = marks
            await changed()


def _mark(path: Path) -> _Mark:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size
