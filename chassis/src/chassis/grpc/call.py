"""The current call: its caller, token, deadline and trace, which are passed on to the services it calls."""

import time
from contextvars import ContextVar

from chassis import logs
from chassis.dataclass import dataclass
from chassis.identity.caller import Caller, set_current_caller
from chassis.identity.claims import Claims
from chassis.tracing import traces

SERVICE_IDENTITY_KEY = "vestibule-service-identity"
SHARED_TOKEN_KEY = "vestibule-service-token"  # noqa: S105 a header, not a secret
"""The last release's metadata key for a service token, signed by a key that all services shared."""

CLIENT_ADDRESS_KEY = "vestibule-client-address"
USER_AGENT_KEY = "vestibule-user-agent"
ACCEPT_LANGUAGE_KEY = "vestibule-accept-language"
REQUEST_ID_KEY = "x-request-id"
TRACEPARENT_KEY = "traceparent"
IDEMPOTENCY_KEY = "vestibule-idempotency-key"
REPLAYED_KEY = "vestibule-replayed"
AUTHORIZATION_KEY = "authorization"

_PRINTABLE_LENGTH_MAX = 256


@dataclass(slots=True)
class Call:
    """The context of a call.

    Attributes:
        caller: Who made it.
        bearer_token: The user's verified token; empty when there is none.
        traceparent: W3C trace context; empty when there is none.
        deadline: When the response is due, by `time.monotonic()`; None for no deadline.
        idempotency_key: The client's name for this call, for retries; empty for none.
        replayed: Whether the called service returned the response of an earlier attempt.
        claims: The bearer token's claims; None without a token, and in the gateway.
    """

    caller: Caller
    bearer_token: str = ""
    traceparent: str = ""
    deadline: float | None = None
    idempotency_key: str = ""
    replayed: bool = False
    claims: Claims | None = None

    def remaining_seconds(self) -> float | None:
        """Returns the time left until the deadline, which may be negative; None without a deadline."""
        return None if self.deadline is None else self.deadline - time.monotonic()

    def metadata(self) -> list[tuple[str, str | bytes]]:
        """Returns the metadata that passes this call's context on to a called service."""
        caller = self.caller
        pairs: list[tuple[str, str | bytes]] = []
        if caller.request_id:
            pairs.append((REQUEST_ID_KEY, caller.request_id))
        if self.bearer_token:
            pairs.append((AUTHORIZATION_KEY, "Bearer " + self.bearer_token))
        if caller.client_address:
            pairs.append((CLIENT_ADDRESS_KEY, caller.client_address))
        if caller.user_agent:
            pairs.append((USER_AGENT_KEY, printable(caller.user_agent)))
        if caller.accept_language:
            pairs.append((ACCEPT_LANGUAGE_KEY, printable(caller.accept_language)))
        if self.idempotency_key:
            pairs.append((IDEMPOTENCY_KEY, self.idempotency_key))
        return pairs

    def log_fields(self) -> dict[str, str]:
        """Returns the fields of every log line that is written for this call."""
        fields = {"request_id": self.caller.request_id}
        if self.caller.user_id is not None:
            fields["user_id"] = str(self.caller.user_id)
        if self.traceparent:
            fields["trace_id"] = self.traceparent[3:35]
        return fields


_call: ContextVar[Call | None] = ContextVar("call", default=None)


def current_call() -> Call | None:
    """Returns the call being handled; None outside of calls."""
    return _call.get()


def current_traceparent() -> str:
    """Returns the trace context to pass on: the current span's if recorded, otherwise the incoming one."""
    span = traces.current_span()
    if span is not None:
        return span.traceparent
    call = _call.get()
    return "" if call is None else call.traceparent


def enter(call: Call) -> None:
    """Makes a call the current one of this task, for use cases, logs and channels."""
    _call.set(call)
    set_current_caller(call.caller)
    logs.describe(call.log_fields)


def printable(text: str) -> str:
    """Returns text in a form that is allowed in metadata: short, printable ASCII."""
    text = text[:_PRINTABLE_LENGTH_MAX]
    if text.isascii() and text.isprintable():
        return text
    return "".join(letter if " " <= letter <= "~" else "?" for letter in text)
