"""Which errors of a method are stored as its response."""

from typing import Any, cast

import pytest
from chassis.errors import (
    NotFound,
    ServiceError,
    TokenRevoked,
    Unavailable,
)
from chassis.grpc.call import Call, enter
from chassis.grpc.policy import service_policies
from chassis.idempotency.interceptor import IdempotencyInterceptor
from chassis.idempotency.run_once import RunOnce
from chassis.identity.caller import ANONYMOUS, Caller
from chassis.identity.role import Role
from chassis.ids import uuid7
from vestibule.users.v1 import webhook_service_pb2 as pb

_SERVICE = pb.DESCRIPTOR.services_by_name["WebhookService"]
(POLICY,) = (each for each in service_policies(_SERVICE) if each.descriptor.name == "CreateWebhook")
USER = Caller(user_id=uuid7(), role=Role.ADMIN)


class _Recorded:
    """Runs a request and records whether its response is final."""

    def __init__(self) -> None:
        self.is_final: bool | None = None

    async def __call__(self, *, run: Any, **asked: Any) -> tuple[bytes, bool]:
        """Runs it."""
        status, self.is_final = await run(None)
        return status, False


@pytest.mark.parametrize(
    ("error", "caller", "is_final"),
    [
        (NotFound(), USER, True),
        (Unavailable(), USER, False),
        (TokenRevoked(), USER, False),
        (TokenRevoked(), ANONYMOUS, True),
    ],
    ids=["of the request", "of the moment", "of the user's token", "of a token in the request"],
)
async def test_errors_that_are_stored(error: ServiceError, caller: Caller, is_final: bool) -> None:
    """A user whose token was revoked retries with another one, and must not get the old refusal for a day."""
    recorded = _Recorded()

    async def fail(request: object, context: object) -> object:
        raise error

    interceptor = IdempotencyInterceptor(cast("RunOnce", recorded), keeps_secrets=True)
    enter(Call(caller=caller, idempotency_key="key"))
    with pytest.raises(type(error)):
        await interceptor.around(POLICY, fail)(pb.CreateWebhookRequest(), cast("Any", None))

    assert recorded.is_final is is_final
