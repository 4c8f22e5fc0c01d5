"""Answers a request per line (JSON: `passwords`, `terms`) by a line (JSON: `[[score, advice], …]`)."""

import gc
import json
import os
import resource
import signal
import sys

from auth_service.adapters.zxcvbn_worker.bounded import Timer, collect_by_hand, rate

_NICER_BY = 5


def main() -> None:
    """Answers requests until standard input ends."""
    # A terminal's Ctrl-C is for the service, which ends this process by closing its input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(_NICER_BY)
    # Nothing of what is rated can be left behind on a disk, by a crash or otherwise.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    timer = Timer()
    collect_by_hand()
    for line in sys.stdin.buffer:
        request = json.loads(line)
        answer = rate(request["passwords"], request["terms"], timer)
        sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
        sys.stdout.buffer.flush()
        gc.collect()


if __name__ == "__main__":
    main()
