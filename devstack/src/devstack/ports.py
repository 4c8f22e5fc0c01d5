"""Which ports the processes of a stack listen on."""

from collections.abc import Mapping

from devstack import program
from devstack.plan import Ports
from devstack.program import ProgramError
from devstack.settings import Settings
from devstack.topology import GATEWAY, SERVICES


def choose_ports(
    settings: Settings, instances: Mapping[str, int], *, free_ports: bool
) -> dict[str, list[Ports]]:
    """Returns the ports of each process of a service, by the service's name.

    Args:
        settings: May ask for some.
        instances: How many processes of a service there are; one where it is not named.
        free_ports: Take any free port where none is asked for; otherwise the usual one when free.

    Raises:
        ProgramError: one that was asked for is taken.
    """
    ports: dict[str, list[Ports]] = {}
    for service in SERVICES:
        if service is GATEWAY:
            port = settings.gateway_port or program.free_port()
            if not program.is_free(port):
                raise ProgramError(
                    f"port {port} is taken: set GATEWAY_PORT to another one, or stop what listens there"
                )
            ports[service.name] = [Ports(port)]
        else:
            assert service.grpc_port is not None  # noqa: S101 only the gateway has none
            usual = (service.http_port, service.grpc_port)
            http, grpc = (
                _choose(settings, f"{service.prefix}_{kind}_PORT", 0 if free_ports else port)
                for kind, port in zip(("HTTP", "GRPC"), usual, strict=True)
            )
            ports[service.name] = [Ports(http, grpc)]
        for _ in range(1, instances.get(service.name, 1)):
            grpc_port = None if service is GATEWAY else program.free_port()
            ports[service.name].append(Ports(program.free_port(), grpc_port))
    return ports


def _choose(settings: Settings, setting: str, usual: int) -> int:
    asked = settings.port(setting)
    if asked:
        if not program.is_free(asked):
            raise ProgramError(f"port {asked} is taken: set {setting} to another one")
        return asked
    return usual if usual and program.is_free(usual) else program.free_port()
