"""The metadata of a call to another service."""

from typing import Any

import grpc.aio

from chassis.grpc.call import (
    SERVICE_IDENTITY_KEY,
    SHARED_TOKEN_KEY,
    TRACEPARENT_KEY,
    current_call,
    current_traceparent,
)
from chassis.identity.service_tokens import ServiceTokens
from chassis.tracing.span import Span


class CallMetadata(grpc.aio.Metadata):
    """Metadata that is only iterated.

    `grpc.aio.Metadata` groups pairs by key and iterates by nested generators, which costs more than the rest
    of a call's preparation.
    """

    def __init__(self, pairs: list[tuple[str, str | bytes]]) -> None:
        super().__init__()
        self._pairs = pairs

    def __iter__(self) -> Any:
        return iter(self._pairs)

    def __len__(self) -> int:
        return len(self._pairs)


def call_metadata(service_tokens: ServiceTokens, audience: str, span: Span | None = None) -> CallMetadata:
    """Returns the metadata of a call to the service `audience`, made on behalf of the current call.

    Args:
        service_tokens: Proves this service's name.
        audience: The service that is called.
        span: The call's span, if it is not the current one.
    """
    pairs: list[tuple[str, str | bytes]] = [(SERVICE_IDENTITY_KEY, service_tokens.mint(audience))]
    shared = service_tokens.mint_shared()
    if shared is not None:
        pairs.append((SHARED_TOKEN_KEY, shared))
    call = current_call()
    if call is not None:
        pairs += call.metadata()
    traceparent = span.traceparent if span is not None else current_traceparent()
    if traceparent:
        pairs.append((TRACEPARENT_KEY, traceparent))
    return CallMetadata(pairs)
