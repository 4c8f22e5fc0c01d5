"""One stack at a time in a folder."""

import fcntl
import os
from pathlib import Path
from typing import BinaryIO

from devstack.program import ProgramError


def lock(folder: Path) -> BinaryIO:
    """Takes a folder for this process; it is free again when the file is closed or the process dies.

    Raises:
        ProgramError: another process has it.
        OSError: the folder cannot be written.
    """
    file = (folder / "lock").open("a+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        owner = file.read().decode(errors="replace").strip()
        file.close()
        raise ProgramError(
            f"{folder} is in use by another stack (process {owner}):"
            " stop it, or set DATA_DIR to another folder"
        ) from error
    file.truncate(0)
    file.write(str(os.getpid()).encode())
    file.flush()
    return file
