"""The running systems that benchmarks measure."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from devstack.stack import Stack

from bench.contestants import ADMIN


@contextmanager
def running_stack(
    settings: Mapping[str, str] | None = None, *, instances: Mapping[str, int] | None = None
) -> Iterator[Stack]:
    """Runs a system with an admin on free ports, in a folder of its own that is removed afterwards.

    Args:
        settings: What it is given besides.
        instances: How many processes of a service there are; one where it is not named.
    """
    environment = {
        "PATH": os.environ["PATH"],
        "BOOTSTRAP_ADMIN_EMAIL": ADMIN["email"],
        "BOOTSTRAP_ADMIN_PASSWORD": ADMIN["password"],
        **(settings or {}),
    }
    with tempfile.TemporaryDirectory(prefix="vestibule-bench-") as folder:
        Path(folder).chmod(0o755)  # Postgres may run as a user of its own.
        with Stack(Path(folder), environment, free_ports=True, instances=instances or {}) as stack:
            yield stack
