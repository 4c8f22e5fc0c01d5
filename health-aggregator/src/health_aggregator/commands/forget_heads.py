"""`python -m health_aggregator forget-heads`: accepts an audit chain that is known to be shorter."""

import argparse
import asyncio
import sys
from collections.abc import Sequence

from chassis.errors import ServiceError
from chassis.postgres.pool import open_pool
from chassis.settings import MigrationSettings, load, prefixed
from chassis.startup_errors import StartupError

from health_aggregator.adapters.postgres.audit_witness import forget
from health_aggregator.domain.audit_witness import WitnessedHead

DONE, REFUSED = 0, 1


def main(arguments: Sequence[str]) -> int:
    """Removes the witnessed heads after an entry, prints each, and returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m health_aggregator forget-heads", description=__doc__)
    parser.add_argument(
        "--after", type=_sequence, required=True, metavar="SEQUENCE", help="the last entry to keep"
    )
    after: int = parser.parse_args(arguments).after
    # Only the owner of schema `health` may delete them.
    url = load(prefixed(MigrationSettings, "HEALTH_")).migration_postgres_url.get_secret_value()
    try:
        forgotten = asyncio.run(_forget(url, after))
    except (StartupError, ServiceError) as error:
        print(f"forget-heads: nothing was removed: {error}", file=sys.stderr)
        return REFUSED
    for head in forgotten:
        print(f"forgotten: entry {head.sequence}, hash {head.hash.hex()}, signed at {head.at.isoformat()}")
    print(f"{len(forgotten)} heads after entry {after} are no longer witnessed; restart auth-service")
    return DONE


def _sequence(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not the number of an entry")
    return int(text)


async def _forget(url: str, after: int) -> list[WitnessedHead]:
    async with open_pool(url, application_name="health-aggregator-forget-heads", max_size=1) as pool:
        return await forget(pool, after)
