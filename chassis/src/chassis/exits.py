"""Exit statuses, by which a Job knows what another attempt can mend (those of `sysexits.h`)."""

import os
import sys
from typing import NoReturn

TRANSIENT = 75
"""Something was away: another attempt may succeed."""

DATA = 65
"""A migration fails on what is in the database; what it began was rolled back."""

CONFIG = 78
"""A setting, a password or a right is wrong: no attempt succeeds until it is mended."""

PERMANENT = (DATA, CONFIG)
"""What no other attempt can mend."""

ABORTED = 130
"""A second signal or the time limit cut the stop off."""


def exit_at_once(status: int) -> NoReturn:
    """Ends the process as it is: closing an event loop with calls in flight may crash gRPC (SIGSEGV)."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
