"""What `make up` reads from the environment, and what of it each program gets."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from devstack.program import ProgramError
from devstack.topology import AUTH, HEALTH, KNOWLEDGE, SERVICES, Service

PORT_MAX = 65_535

_SWITCHES = {service.switch for service in SERVICES if service.switch}
_OURS = _SWITCHES | {"DATA_DIR", "GATEWAY_PORT", "OBSERVE", "POSTGRES_URL", "PROMETHEUS_PORT", "REDIS_URL"}
"""Read here; programs get what follows from them."""

_OF_SOME_SERVICES = {
    "BOOTSTRAP_ADMIN_EMAIL": (AUTH,),
    "BOOTSTRAP_ADMIN_PASSWORD": (AUTH,),
    "SMTP_URL": (AUTH,),
    "QDRANT_URL": (HEALTH, KNOWLEDGE),
    "NEXTCLOUD_URL": (HEALTH,),
}
"""Settings without a prefix that may hold secrets, and who needs them."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user who starts the stack decides.

    Attributes:
        data_dir: Where everything is kept.
        gateway_port: Port of the gateway; a free one when 0.
        postgres_url: A Postgres in place of the embedded one, with a role that may create roles.
        redis_url: A Redis in place of the embedded Valkey.
        observe: Whether Prometheus is to run beside it.
        services: The services that run: all but the optional ones that are not turned on.
        environment: Everything that was set, for the programs.
    """

    data_dir: Path
    gateway_port: int
    postgres_url: str | None
    redis_url: str | None
    observe: bool
    services: tuple[Service, ...]
    environment: Mapping[str, str]

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "Settings":
        """Reads the settings; what is empty counts as not set.

        Raises:
            ProgramError: one is wrong.
        """
        given = {name: value for name, value in environment.items() if value}
        return cls(
            data_dir=Path(given.get("DATA_DIR", ".data")).absolute(),
            gateway_port=_port("GATEWAY_PORT", given.get("GATEWAY_PORT", "8000")),
            postgres_url=given.get("POSTGRES_URL"),
            redis_url=given.get("REDIS_URL"),
            observe=_switch("OBSERVE", given.get("OBSERVE", "0")),
            services=tuple(
                each
                for each in SERVICES
                if not each.switch or _switch(each.switch, given.get(each.switch, "0"))
            ),
            environment=given,
        )

    def port(self, name: str) -> int | None:
        """Returns the port that a setting asks for.

        Raises:
            ProgramError: it is not a port.
        """
        return _port(name, self.environment[name]) if name in self.environment else None

    def handed_to(self, service: Service) -> dict[str, str]:
        """Returns what a service gets of the environment: all but what belongs to others alone."""
        others = tuple(f"{other.prefix}_" for other in SERVICES if other is not service)
        return {
            name: value
            for name, value in self.environment.items()
            if name not in _OURS
            and not name.startswith(others)
            and service in _OF_SOME_SERVICES.get(name, (service,))
        }


def _switch(name: str, value: str) -> bool:
    if value not in {"0", "1"}:
        raise ProgramError(f"{name}={value} is neither 1 nor 0: set one of them")
    return value == "1"


def _port(name: str, value: str) -> int:
    if not value.isdecimal() or int(value) > PORT_MAX:
        raise ProgramError(f"{name}={value} is not a port: set a number up to {PORT_MAX}")
    return int(value)
