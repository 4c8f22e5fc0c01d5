"""What happens before a method sees its call: admission by the metadata, then the checks of each request."""

import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeAlias

import grpc
import grpc.aio
from google.protobuf.message import DecodeError, Message

from chassis.errors import DeadlineExceeded, Forbidden, Invalid
from chassis.grpc.admission import compile_admission, report_refused_key
from chassis.grpc.authorization import compile_request_authorization
from chassis.grpc.call import Call, enter
from chassis.grpc.certificates import certificate_names
from chassis.grpc.constraints import compile_validator
from chassis.grpc.policy import Policy
from chassis.identity.claims import Authenticator
from chassis.identity.service_tokens import ServiceTokens

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

AdmitCall: TypeAlias = Callable[[Context], Awaitable[tuple[Call, float | None]]]
"""Takes a context; returns the call, and the seconds that it may take where its caller set no deadline."""

ReadRequest: TypeAlias = Callable[[bytes, Call], Awaitable[Message]]
"""Takes a serialized request and its call; returns the request once it is authorized and valid."""


def compile_admit(
    policy: Policy,
    service_tokens: ServiceTokens,
    authenticator: Authenticator,
    default_seconds: float | None,
    certified: Callable[[], bool],
) -> AdmitCall:
    """Returns what authenticates and authorizes a call by its metadata, and makes it the task's own.

    Args:
        policy: The method's.
        service_tokens: Verifies the names of calling services.
        authenticator: Authenticates users' tokens.
        default_seconds: How long a call may take whose caller set no deadline; None for no limit.
        certified: Whether peers show certificates, which then have to name the calling service.
    """
    admission = compile_admission(policy, service_tokens, authenticator)

    async def admit(context: Context) -> tuple[Call, float | None]:
        remaining: float | None = context.time_remaining()
        if remaining is not None and remaining <= 0:
            raise DeadlineExceeded
        names = partial(certificate_names, context) if certified() else None
        call = await admission(context.invocation_metadata() or (), context.peer, names)
        limit = default_seconds if remaining is None else None
        seconds = remaining if remaining is not None else limit
        if seconds is not None:
            call.deadline = time.monotonic() + seconds
        enter(call)
        return call, limit

    return admit


def compile_read(policy: Policy, authenticator: Authenticator, parse: Callable[[bytes], Any]) -> ReadRequest:
    """Returns what parses, authorizes and validates a request."""
    authorize = compile_request_authorization(policy)
    validate = compile_validator(policy.descriptor.input_type)

    async def read(raw: bytes, call: Call) -> Message:
        try:
            request: Message = parse(raw)
        except DecodeError as error:
            raise Invalid from error
        if authorize is not None and call.claims is not None:
            try:
                authorize(request, call.claims)
            except Forbidden:
                await report_refused_key(authenticator, policy, call.claims, call.caller)
                raise
        if validate is not None:
            validate(request)
        return request

    return read
