"""What processes cost, as the kernel counts it, and on which core they run."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PARENT, _USER, _SYSTEM = 1, 11, 12
"""Fields of `/proc/PID/stat` behind the program's name."""


def cpu_seconds(root: int) -> float:
    """Returns user and system time of a process and of those it started, all threads together.

    The kernel counts in nanoseconds and shows hundredths of a second.
    """
    return sum(_ticks(pid) for pid in family(root)) / _TICKS_PER_SECOND


def pin(root: int, cores: Iterable[int]) -> None:
    """Lets a process and those it started run on these cores only, every thread of theirs."""
    allowed = set(cores)
    for pid in family(root):
        with suppress(FileNotFoundError, ProcessLookupError):
            for thread in Path(f"/proc/{pid}/task").iterdir():
                os.sched_setaffinity(int(thread.name), allowed)


def wake_ups(root: int) -> int:
    """Returns how often threads of a process and of those it started have slept and been woken."""
    tasks = (task for pid in family(root) for task in Path(f"/proc/{pid}/task").glob("*/status"))
    return sum(_number(task, "voluntary_ctxt_switches:") for task in tasks)


def resident_mib(pid: int) -> float:
    """Returns the memory that a process holds."""
    return _number(Path(f"/proc/{pid}/status"), "VmRSS:") / 1024


def family(root: int) -> list[int]:
    """Returns the ids of a process and of those it started, and they in turn."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            fields = _stat(int(entry.name))
            if fields:
                children.setdefault(int(fields[_PARENT]), []).append(int(entry.name))
    family = [root]
    for pid in family:
        family += children.get(pid, [])
    return family


def _number(status: Path, name: str) -> int:
    with suppress(FileNotFoundError, ProcessLookupError):
        for line in status.read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1])
    return 0


def _ticks(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[_USER]) + int(fields[_SYSTEM]) if fields else 0


def _stat(pid: int) -> list[str]:
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return []
