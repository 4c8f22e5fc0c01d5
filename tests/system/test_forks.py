"""Programs that services start have nothing of gRPC."""

from tests.system.client import Client
from tests.system.running_system import System


def test_grpc_does_nothing_in_programs_that_are_started(system: System, client: Client) -> None:
    """Its handlers have been seen to hang there, and the service with them, which waits for the start."""
    client.register()  # Passwords are evaluated by a program of its own.

    log = (system.folder / "logs" / "auth-service.log").read_text(encoding="utf-8")
    assert "fork" not in log
