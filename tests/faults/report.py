"""The page that a run writes: the outcome of every fault."""

import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.faults.outcome import Outcome

_HEAD = """# Reliability

Written by `make test-faults`: the stack as real processes, two of each service, Postgres and Valkey, a
proxy on every wire between them. Six users register, sign in, read, rename, refresh and leave while the
fault lasts, and repeat what was not answered under its `Idempotency-Key`. Afterwards every call is held
against these invariants:

- an acknowledged registration can sign in;
- an acknowledged change is read back, at once where it was made and within 5 s everywhere;
- a refresh token has at most one successor;
- a token is refused by every gateway 1 s after its acknowledged revocation;
- a fault signs no user out;
- the audit chain verifies and holds each acknowledged change exactly once;
- answers are those of the contract, in trouble 503 (with `Retry-After`) and 504 at worst.

*Failed* calls got no answer or a 5xx; a client that repeats them is served in the end. *Recovered* is how
long after the fault was mended the last failing call ended, *delivered* how long after the last call
the last event was in the audit trail.

"""
_FAULTS = "| fault | calls | failed reads | failed writes | recovered | delivered | invariants broken |"


def write(page: Path, outcomes: Sequence[Outcome], figures: Mapping[str, str]) -> None:
    """Writes the page."""
    rows = [
        f"| {each.fault} | {each.calls} | {each.failed_reads} | {each.failed_writes}"
        f" | {each.recovered_seconds:.1f} s | {each.delivered_seconds:.1f} s"
        f" | {'; '.join(each.broken) or 'none'} |"
        for each in outcomes
    ]
    measured = [f"| {name} | {figure} |" for name, figure in figures.items()]
    tables = [[_FAULTS, "|---|---|---|---|---|---|---|", *rows]]
    if measured:
        tables.append(["| figure | |", "|---|---|", *measured])
    machine = f"{platform.machine()}, Python {platform.python_version()}"
    taken = f"Taken on {datetime.now(UTC):%Y-%m-%d}, {machine}.\n\n"
    page.write_text(_HEAD + taken + "\n\n".join("\n".join(lines) for lines in tables) + "\n")
