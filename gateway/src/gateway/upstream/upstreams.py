"""One channel and one circuit breaker per address, shared by the services behind it."""

from collections.abc import Iterable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

from chassis.grpc.certificates import Certificates
from chassis.grpc.channel import ServiceChannel, open_channel
from chassis.identity.service_tokens import ServiceTokens
from google.protobuf.descriptor import ServiceDescriptor

from gateway.settings import GatewaySettings
from gateway.upstream.breaker import Breaker


class Upstreams:
    """The channel and the breaker of each service."""

    def __init__(
        self,
        settings: GatewaySettings,
        services: Iterable[ServiceDescriptor],
        service_tokens: ServiceTokens,
        certificates: Certificates | None = None,
    ) -> None:
        behind: dict[str, list[ServiceDescriptor]] = {}
        self._address_of: dict[str, str] = {}
        for service in services:
            address = settings.address_of(service.full_name)
            if address is not None:
                behind.setdefault(address, []).append(service)
                self._address_of[service.full_name] = address
        self._channels = {
            address: open_channel(
                address, service_tokens=service_tokens, services=its, credentials=certificates
            )
            for address, its in behind.items()
        }
        self._breakers = {
            address: Breaker(",".join(sorted({service.file.package for service in its})))
            for address, its in behind.items()
        }
        self._stack = AsyncExitStack()

    def serves(self, service: ServiceDescriptor) -> bool:
        """Returns whether the settings have an address for a service."""
        return service.full_name in self._address_of

    def channel(self, service: str) -> ServiceChannel:
        """Returns the channel to a service."""
        return self._channels[self._address_of[service]]

    def breaker(self, service: str) -> Breaker:
        """Returns the circuit breaker of a service."""
        return self._breakers[self._address_of[service]]

    def unary(self, path: str, service: str) -> Any:
        """Returns a unary method, bytes in and bytes out."""
        return self.channel(service).unary_unary(path)

    def stream(self, path: str, service: str) -> Any:
        """Returns a method that streams responses, bytes in and bytes out."""
        return self.channel(service).unary_stream(path)

    async def __aenter__(self) -> Self:
        for channel in self._channels.values():
            await self._stack.enter_async_context(channel)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()
