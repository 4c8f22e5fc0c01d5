"""`Idempotency-Key`: a POST that comes again is given its first answer.

It stands around the methods, inside of every check: whoever may not call is refused as ever.
"""

import hashlib
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from chassis.errors import Kind, ServiceError
from chassis.grpc import errors
from chassis.grpc.call import REPLAYED_KEY, current_call
from chassis.grpc.field_rules import field_rules
from chassis.grpc.pipeline import Behaviour
from chassis.grpc.policy import Policy
from google.api import annotations_pb2
from google.protobuf.message_factory import GetMessageClass
from google.rpc import code_pb2, status_pb2

from auth_service.domain.idempotency import Attempt, Request
from auth_service.usecases.idempotency import AnswerOnce

_LEASE_SECONDS = 30.0
"""For calls without a deadline, of which the gateway makes none."""

_PASSING = frozenset({Kind.EXHAUSTED, Kind.UNAVAILABLE, Kind.DEADLINE, Kind.INTERNAL})
"""Refusals that say nothing of the request: it is right to try again."""

_is_passing: ContextVar[bool] = ContextVar("is_passing", default=False)
_attempt: ContextVar[Attempt | None] = ContextVar("attempt", default=None)


def current_attempt() -> Attempt | None:
    """Returns what is known of the call being answered, if its client may make it again."""
    return _attempt.get()


class FirstAnswers:
    """Wraps the methods that clients reach by POST."""

    def __init__(self, answer_once: AnswerOnce) -> None:
        self._answer_once = answer_once

    def around(self, policy: Policy, behave: Behaviour) -> Behaviour:
        """Returns the method's work, done once for each key of a client."""
        rule = policy.descriptor.GetOptions().Extensions[annotations_pb2.http]
        if rule.WhichOneof("pattern") != "post":
            return behave
        response_class = GetMessageClass(policy.descriptor.output_type)
        ask = _compile_request(policy)

        async def answer(request: Any, context: Any) -> Any:
            call = current_call()
            if call is None or not call.idempotency_key:
                return await behave(request, context)
            # The key is spent here: what this call makes other services do is its own affair.
            key, call.idempotency_key = call.idempotency_key, ""
            work = _Work(behave, request, context)
            told, replayed = await self._answer_once(
                caller=call.caller,
                key=key,
                request=ask(request),
                seconds=call.remaining_seconds() or _LEASE_SECONDS,
                work=work,
            )
            if replayed:
                context.set_trailing_metadata(((REPLAYED_KEY, "1"),))
                return _understood(told, response_class)
            if work.refusal is not None:
                raise work.refusal
            return work.response

        return answer


def keep_no_answer() -> None:
    """Lets the present call be answered anew when it comes again, since its answer is soon no good."""
    _is_passing.set(True)


@dataclass(slots=True)
class _Work:
    """A method's work, whose answer or refusal is written as a `Status`."""

    behave: Behaviour
    request: Any
    context: Any
    response: Any = None
    refusal: ServiceError | None = None

    async def __call__(self, attempt: Attempt) -> tuple[bytes, bool]:
        """Returns the answer, and whether it is for good."""
        _attempt.set(attempt)
        _is_passing.set(False)
        status = status_pb2.Status()
        try:
            self.response = await self.behave(self.request, self.context)
        except ServiceError as error:
            self.refusal = error
            return errors.to_status(error).SerializeToString(), error.kind not in _PASSING
        status.details.add().Pack(self.response)
        return status.SerializeToString(), not _is_passing.get()


def _compile_request(policy: Policy) -> Callable[[Any], Request]:
    """Returns what takes a method's requests apart by how hard their fields are to guess."""
    request_class = GetMessageClass(policy.descriptor.input_type)
    rules = {field: field_rules(field) for field in policy.descriptor.input_type.fields}
    guessable = [field.name for field, rule in rules.items() if rule.secret and not rule.unguessable]
    # A browser sends a cookie on its second try that the first answer gave it: it asks for the same.
    cookies = [field.name for field, rule in rules.items() if rule.HasField("cookie")]
    proofs = [field.name for field, rule in rules.items() if rule.secret or rule.unguessable]
    path = policy.path.encode() + b"\n"

    def take_apart(request: Any) -> Request:
        asked, secret = request_class(), request_class()
        asked.CopyFrom(request)
        for name in cookies:
            asked.ClearField(name)
        secret.CopyFrom(asked)
        sent = asked.ListFields()
        for field in rules:
            (asked if field.name in guessable else secret).ClearField(field.name)
        chosen = secret.SerializeToString(deterministic=True)
        return Request(
            asked=path + asked.SerializeToString(deterministic=True),
            secret=hashlib.sha256(path + chosen).hexdigest() if chosen else None,
            proves=any(field.name in proofs for field, _ in sent),
        )

    return take_apart


def _understood(told: bytes, response_class: type[Any]) -> Any:
    """Returns the answer, or raises the refusal."""
    status = status_pb2.Status.FromString(told)
    if status.code != code_pb2.OK:
        raise errors.from_status(status)
    response = response_class()
    status.details[0].Unpack(response)
    return response
