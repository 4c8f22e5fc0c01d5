"""What the relay logs of an outage: which server it is of."""

import asyncio

from chassis.events.outbox import Outbox
from chassis.events.relay import Relay
from chassis.postgres.pool import open_pool
from devstack.ports import free_port
from devstack.postgres import Postgres
from devstack.valkey import Valkey
from structlog.testing import capture_logs
from structlog.typing import EventDict

from tests.chassis.conftest import OUTBOX_SQL
from tests.chassis.events.conftest import Begin
from tests.chassis.waiting import until
from tests.fakes.service_keys import service_keys

OUTBOX = Outbox(schema="stock", source="user-service")
KEYS = service_keys("user-service")


def _stalled(logs: list[EventDict]) -> list[str]:
    return [line["error"] for line in logs if line["event"] == "outbox relay stalled; retrying"]


async def test_an_outage_of_postgres_is_not_blamed_on_redis(
    own_postgres: Postgres, valkey: Valkey, begin: Begin
) -> None:
    """When it goes; what to do about Redis would mislead."""
    async with open_pool(own_postgres.url(), application_name="t") as pool:
        await pool.execute(OUTBOX_SQL)
    relay = Relay(OUTBOX, keys=KEYS, postgres_url=own_postgres.url(), redis_url=valkey.url)
    with capture_logs() as logs:
        begin(relay.run())
        await until(lambda: relay.leading)
        await asyncio.to_thread(own_postgres.kill)
        await until(lambda: bool(_stalled(logs)))

    # It notices by a statement that fails, or between two.
    assert "Postgres" in _stalled(logs)[0]
    assert "REDIS_URL" not in _stalled(logs)[0]


async def test_a_postgres_that_is_not_there(valkey: Valkey, begin: Begin) -> None:
    """The connection is refused as one to Redis would be."""
    url = f"postgresql://me:hush@127.0.0.1:{free_port()}/x"
    with capture_logs() as logs:
        begin(Relay(OUTBOX, keys=KEYS, postgres_url=url, redis_url=valkey.url).run())
        await until(lambda: bool(_stalled(logs)))

    (said,) = _stalled(logs)
    assert said.startswith("Postgres: ConnectionRefusedError")
    assert "REDIS_URL" not in said
    assert "hush" not in said
