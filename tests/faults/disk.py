"""A small disk for Postgres, which a test can fill."""

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MEBIBYTES = 1024
PAGE_BYTES = 4096
BALLAST = "ballast"


class Disk:
    """A folder that may be a file system of its own, in memory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._is_mounted = False

    @contextmanager
    def mounted(self) -> Iterator[None]:
        """Mounts it where that is permitted."""
        self._folder.mkdir(parents=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={MEBIBYTES}m,mode=755", "none", str(self._folder)]
        self._is_mounted = subprocess.run(command, check=False, capture_output=True).returncode == 0
        try:
            yield
        finally:
            if self._is_mounted:
                subprocess.run(["umount", str(self._folder)], check=True)

    @contextmanager
    def full(self) -> Iterator[None]:
        """Leaves no byte free on it for a while."""
        if not self._is_mounted:
            pytest.skip("a disk can be filled where root may mount one")
        ballast = self._folder / BALLAST
        try:
            with ballast.open("wb") as file:
                _fill(file.fileno())
            yield
        finally:
            ballast.unlink()


def _fill(file: int) -> None:
    at, size = 0, 64 * 2**20
    while size >= PAGE_BYTES:
        try:
            os.posix_fallocate(file, at, size)
            at += size
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            size //= 2
