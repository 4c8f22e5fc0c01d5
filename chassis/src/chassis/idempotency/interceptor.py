"""`Idempotency-Key`: a repeated POST gets the response of the first.

The interceptor runs inside every check: a caller who may not make the call is refused as usual.
"""

import hashlib
from collections.abc import Callable, Collection
from contextvars import ContextVar
from typing import Any

from google.protobuf.message_factory import GetMessageClass
from google.rpc import code_pb2, status_pb2

from chassis.dataclass import dataclass
from chassis.errors import Kind, ServiceError, TokenRevoked
from chassis.grpc import errors
from chassis.grpc.call import REPLAYED_KEY, current_call
from chassis.grpc.field_rules import field_rules
from chassis.grpc.pipeline import Behaviour
from chassis.grpc.policy import Policy, PolicyMissingError
from chassis.idempotency.record import IdempotencyRecord, Request
from chassis.idempotency.run_once import RunOnce

_LEASE_SECONDS = 30.0
"""For calls without a deadline; the gateway makes none."""

_TRANSIENT = frozenset({Kind.EXHAUSTED, Kind.UNAVAILABLE, Kind.DEADLINE, Kind.INTERNAL})
"""Errors that are not due to the request: a retry may succeed, so they are not stored. Nor is that
a user's token was revoked, which some methods notice while they run: the retry has another token."""

_is_transient: ContextVar[bool] = ContextVar("is_transient", default=False)
_record: ContextVar[IdempotencyRecord | None] = ContextVar("record", default=None)


def current_idempotency() -> IdempotencyRecord | None:
    """Returns the idempotency record of the current call; None when the call has no key."""
    return _record.get()


def store_no_response() -> None:
    """Lets a retry of the current call run again, since its response is valid for a short time only."""
    _is_transient.set(True)


class IdempotencyInterceptor:
    """Wraps the methods that take a key by their policy."""

    def __init__(self, run_once: RunOnce, *, keeps_secrets: bool = False) -> None:
        """Takes what runs requests once.

        Args:
            run_once: Runs them.
            keeps_secrets: Whether the service stores the secrets in its requests anyway, encrypted under the
                master key of the HMACs: then a slow hash of them would protect nothing.
        """
        self._run_once = run_once
        self._keeps_secrets = keeps_secrets

    def around(self, policy: Policy, behave: Behaviour) -> Behaviour:
        """Returns the method's behaviour, run once per key of a client.

        Raises:
            PolicyMissingError: the method takes secrets of users, and nothing here hashes them.
        """
        if not policy.takes_idempotency_key:
            return behave
        guessable = [] if self._keeps_secrets else _guessable(policy)
        if guessable and self._run_once.hasher is None:
            raise PolicyMissingError(f"{policy.path} takes secrets that users choose: RunOnce needs a hasher")
        response_class = GetMessageClass(policy.descriptor.output_type)
        split = _compile_split(policy, guessable)

        async def run_or_replay(request: Any, context: Any) -> Any:
            call = current_call()
            if call is None or not call.idempotency_key:
                return await behave(request, context)
            # The key ends here: calls that this one makes to other services must not carry it.
            client_key, call.idempotency_key = call.idempotency_key, ""
            run = _Run(behave, request, context, has_user=call.caller.user_id is not None)
            status, is_replay = await self._run_once(
                caller=call.caller,
                client_key=client_key,
                request=split(request),
                seconds=call.remaining_seconds() or _LEASE_SECONDS,
                run=run,
            )
            if is_replay:
                context.set_trailing_metadata(((REPLAYED_KEY, "1"),))
                return _decode(status, response_class)
            if run.error is not None:
                raise run.error
            return run.response

        return run_or_replay


@dataclass(slots=True)
class _Run:
    """One run of a method, whose response or error is encoded as a `Status`."""

    behave: Behaviour
    request: Any
    context: Any
    has_user: bool
    response: Any = None
    error: ServiceError | None = None

    async def __call__(self, record: IdempotencyRecord) -> tuple[bytes, bool]:
        """Returns the encoded response, and whether it is final."""
        _record.set(record)
        _is_transient.set(False)
        status = status_pb2.Status()
        try:
            self.response = await self.behave(self.request, self.context)
        except ServiceError as error:
            self.error = error
            lost_access = self.has_user and error.reason == TokenRevoked.reason
            is_final = error.kind not in _TRANSIENT and not lost_access
            return errors.to_status(error).SerializeToString(), is_final
        status.details.add().Pack(self.response)
        return status.SerializeToString(), not _is_transient.get()


def _compile_split(policy: Policy, guessable: Collection[str]) -> Callable[[Any], Request]:
    """Returns what splits a method's requests by how hard their fields are to guess."""
    request_class = GetMessageClass(policy.descriptor.input_type)
    rules = {field: field_rules(field) for field in policy.descriptor.input_type.fields}
    # A retry may carry one because the first response has set it: it is the same request.
    hints = [field.name for field, rule in rules.items() if rule.cookie.is_hint]
    proofs = [field.name for field, rule in rules.items() if rule.secret or rule.unguessable]
    path = policy.path.encode() + b"\n"

    def split(request: Any) -> Request:
        asked, secret = request_class(), request_class()
        asked.CopyFrom(request)
        for name in hints:
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

    return split


def _guessable(policy: Policy) -> list[str]:
    """Returns the names of the fields with what users choose or type, such as passwords and codes."""
    rules = {field.name: field_rules(field) for field in policy.descriptor.input_type.fields}
    return [name for name, rule in rules.items() if rule.secret and not rule.unguessable]


def _decode(encoded: bytes, response_class: type[Any]) -> Any:
    """Returns the stored response, or raises the stored error."""
    status = status_pb2.Status.FromString(encoded)
    if status.code != code_pb2.OK:
        raise errors.from_status(status)
    response = response_class()
    status.details[0].Unpack(response)
    return response
