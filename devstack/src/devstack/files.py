"""Files that only their owner may read."""

import os
from pathlib import Path


def write_private(file: Path, text: str) -> None:
    """Writes a file whole or not at all.

    Raises:
        OSError: It cannot be written.
    """
    unfinished = file.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as output:
        output.write(text)
        output.flush()
        os.fsync(output.fileno())
    unfinished.replace(file)
