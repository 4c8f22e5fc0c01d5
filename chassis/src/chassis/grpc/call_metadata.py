"""What a call to another service carries besides its request."""

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
    """Metadata that is only ever read from front to back.

    `grpc.aio.Metadata` sorts pairs into lists by key and walks them by nested generators,
    which costs more than the rest of a call's preparation.
    """

    def __init__(self, pairs: list[tuple[str, str | bytes]]) -> None:
        super().__init__()
        self._pairs = pairs

    def __iter__(self) -> Any:
        return iter(self._pairs)

    def __len__(self) -> int:
        return len(self._pairs)


def call_metadata(service_tokens: ServiceTokens, audience: str, span: Span | None = None) -> CallMetadata:
    """Returns what a call to the service `audience`, made for the present call's sake, carries.

    Args:
        service_tokens: Proves this service's name.
        audience: The service that is called.
        span: The call's own, where it is not the present one.
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
