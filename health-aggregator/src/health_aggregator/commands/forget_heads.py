"""`python -m health_aggregator forget-heads`: settling with a chain that is known to be shorter."""

import asyncio
import sys

from chassis.errors import ServiceError
from chassis.postgres.pool import open_database
from chassis.startup import StartupError

from health_aggregator.adapters.postgres.audit_witness import forget
from health_aggregator.domain.audit_witness import WitnessedHead

DONE, REFUSED = 0, 1


def forget_heads(url: str, after: int) -> int:
    """Removes the witnessed heads beyond an entry, prints each, and returns the exit status.

    Args:
        url: The database, with the role that owns schema `health`.
        after: The entry's place.
    """
    try:
        forgotten = asyncio.run(_forget(url, after))
    except (StartupError, ServiceError) as error:
        print(f"forget-heads: nothing was removed: {error}", file=sys.stderr)
        return REFUSED
    for head in forgotten:
        print(f"forgotten: entry {head.sequence}, hash {head.hash.hex()}, signed at {head.at.isoformat()}")
    print(f"{len(forgotten)} heads after entry {after} are no longer witnessed; restart auth-service")
    return DONE


async def _forget(url: str, after: int) -> list[WitnessedHead]:
    async with open_database(url, application_name="health-aggregator-forget-heads", max_size=1) as pool:
        return await forget(pool, after)
