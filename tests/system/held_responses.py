"""Services that have committed a change and cannot store its response, so that clients wait for it."""

from dataclasses import dataclass

from tests.system.running_system import System
from tests.waiting import wait_for


@dataclass(frozen=True)
class HeldResponses:
    """Blocks the storing of responses in a schema's table of attempts.

    Attributes:
        system: The system.
        schema: The schema of the service.
    """

    system: System
    schema: str

    def hold(self) -> None:
        """Blocks it from now on."""
        self.system.change(
            f"CREATE FUNCTION {self.schema}.hold() RETURNS trigger LANGUAGE plpgsql AS"
            " $$BEGIN PERFORM pg_sleep(60); RETURN NEW; END$$"
        )
        self.system.change(
            f"CREATE TRIGGER hold BEFORE UPDATE OF sealed_answer ON {self.schema}.attempts"
            f" FOR EACH ROW WHEN (NEW.sealed_answer IS NOT NULL) EXECUTE FUNCTION {self.schema}.hold()"
        )

    def wait(self, count: int) -> None:
        """Waits until `count` changes are committed."""
        wait_for(lambda: self.count() >= count)

    def count(self) -> int:
        """Returns how many changes are committed and held."""
        return len(self.system.rows("SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'"))

    def let_go(self) -> None:
        """Drops the responses that are held, and blocks no more."""
        # A session that sleeps in the trigger would store the response after its service has died.
        self.system.rows(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        )
        self.system.change(f"DROP FUNCTION IF EXISTS {self.schema}.hold CASCADE")

    def end_leases(self) -> None:
        """Lets the next retry take an attempt over."""
        self.system.change(
            f"UPDATE {self.schema}.attempts SET leased_until = '-infinity' WHERE sealed_answer IS NULL"
        )
