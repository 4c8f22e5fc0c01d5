"""Fresh proofs, scopes of keys and fields with rules of their own, asked of a service directly."""

from dataclasses import replace

import pytest
from chassis.errors import ServiceError
from chassis.grpc.authorization import compile_request_authorization
from chassis.grpc.policy import PolicyMissingError, method_policy
from vestibule.api.v1 import options_pb2
from vestibule.users.v1 import user_service_pb2 as pb
from vestibule.users.v1.user_pb2 import ROLE_ADMIN

from tests.chassis.grpc.declared import declare_method
from tests.chassis.grpc.stack import ADMIN_ID, USER_ID, Stack, reason, sign_in

OTHER, OWN = str(USER_ID), str(ADMIN_ID)
RENAME = pb.UpdateUserRequest(user_id=OTHER, full_name="Ada")
LOCK_OUT = pb.UpdateUserRequest(user_id=OTHER, is_active=False)


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("admin", "OK"),
        ("aging admin", "OK"),
        ("stale admin", "REAUTHENTICATION_REQUIRED"),
        ("admin of the release before", "REAUTHENTICATION_REQUIRED"),
        ("stale user", "FORBIDDEN"),
        ("user", "FORBIDDEN"),
        ("", "UNAUTHENTICATED"),
    ],
)
async def test_an_old_proof_does_not_do(stack: Stack, token: str, expected: str) -> None:
    """An old proof is refused to the second; a caller without the right is not asked to reauthenticate."""
    sign_in(token)

    assert await reason(stack.users.UpdateUser(RENAME)) == expected
    assert await reason(stack.users.DeleteUser(pb.DeleteUserRequest(user_id=OTHER))) == expected


async def test_the_refusal_says_how_old_a_proof_may_be(stack: Stack) -> None:
    """It crosses gRPC, so that the edge can say it as RFC 9470 has it."""
    sign_in("stale admin")
    with pytest.raises(ServiceError) as refused:
        await stack.users.UpdateUser(RENAME)

    assert refused.value.details == {"max_age": "300"}


async def test_one_field_may_ask_for_a_proof_and_a_session(stack: Stack) -> None:
    """A new address needs both, a new name neither."""
    answers = {}
    for token in ("user", "stale user", "writer", "reader"):
        sign_in(token)
        answers[token] = (
            await reason(stack.users.UpdateMe(pb.UpdateMeRequest(full_name="Ada"))),
            await reason(stack.users.UpdateMe(pb.UpdateMeRequest(email="ada@example.org"))),
        )

    assert answers == {
        "user": ("OK", "OK"),
        "stale user": ("OK", "REAUTHENTICATION_REQUIRED"),
        "writer": ("OK", "FORBIDDEN"),
        "reader": ("FORBIDDEN", "FORBIDDEN"),
    }


@pytest.mark.parametrize("own", [OWN, OWN.upper(), f"{{{OWN}}}", f"urn:uuid:{OWN}", OWN.replace("-", "")])
@pytest.mark.parametrize("token", ["admin", "stale admin"])
async def test_users_may_not_do_this_to_themselves(stack: Stack, own: str, token: str) -> None:
    """Not to one's own id in any spelling; and no proof would help."""
    sign_in(token)
    refused = [
        await reason(stack.users.DeleteUser(pb.DeleteUserRequest(user_id=own))),
        await reason(stack.users.UpdateUser(pb.UpdateUserRequest(user_id=own, email="a@example.org"))),
        await reason(stack.users.UpdateUser(pb.UpdateUserRequest(user_id=own, role=ROLE_ADMIN))),
        await reason(stack.users.UpdateUser(pb.UpdateUserRequest(user_id=own, is_active=False))),
        await reason(
            stack.users.UpdateUser(pb.UpdateUserRequest(user_id=own, is_active=True, full_name="A"))
        ),
    ]

    assert refused == ["FORBIDDEN"] * 5
    assert stack.script.calls == []


async def test_one_may_rename_oneself_by_ones_id(stack: Stack) -> None:
    """Only what would change who gets in is kept from oneself."""
    sign_in("admin")

    assert await reason(stack.users.UpdateUser(pb.UpdateUserRequest(user_id=OWN, full_name="Ada"))) == "OK"


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (LOCK_OUT, "OK"),
        (pb.UpdateUserRequest(user_id=OTHER, is_active=False, if_match="*"), "OK"),
        (pb.UpdateUserRequest(user_id=OTHER, is_active=True), "FORBIDDEN"),
        (pb.UpdateUserRequest(user_id=OTHER, is_active=False, full_name="Ada"), "FORBIDDEN"),
        (pb.UpdateUserRequest(user_id=OTHER, is_active=False, role=ROLE_ADMIN), "FORBIDDEN"),
        (pb.UpdateUserRequest(user_id=OTHER, is_active=False, email="a@example.org"), "FORBIDDEN"),
        (pb.UpdateUserRequest(user_id=OTHER), "FORBIDDEN"),
        (RENAME, "FORBIDDEN"),
        (pb.UpdateUserRequest(user_id=OWN, is_active=False), "FORBIDDEN"),
    ],
)
async def test_an_admins_key_may_lock_users_out_and_no_more(
    stack: Stack, request_: pb.UpdateUserRequest, expected: str
) -> None:
    """And a key without the scope `admin` not even that; each refusal is reported for the audit."""
    sign_in("director")
    assert await reason(stack.users.UpdateUser(request_)) == expected
    assert len(stack.authenticator.reported) == (expected != "OK")
    sign_in("writer")
    assert await reason(stack.users.UpdateUser(request_)) == "FORBIDDEN"


async def test_admins_calls_need_the_scope_admin(stack: Stack) -> None:
    """Also about others where one may ask about oneself."""
    asked = {}
    stack.authenticator.tokens["admin who reads"] = replace(
        stack.authenticator.tokens["writer"], scopes=frozenset({"read"})
    )
    for token in ("director", "admin who reads"):
        sign_in(token)
        asked[token] = (
            await reason(stack.users.ListUsers(pb.ListUsersRequest())),
            await reason(stack.users.GetUser(pb.GetUserRequest(user_id=OTHER))),
            await reason(stack.users.GetUser(pb.GetUserRequest(user_id=OWN))),
        )

    assert asked == {"director": ("OK", "OK", "OK"), "admin who reads": ("FORBIDDEN", "FORBIDDEN", "OK")}


def test_rules_that_cannot_be_kept_are_refused_at_start_up() -> None:
    """An allowance for a field that is not there would let nothing through, or too much."""
    allowance = options_pb2.KeyAllowance(only=[options_pb2.FieldValue(field="is_active", value="false")])
    method = declare_method(
        access=options_pb2.ACCESS_ADMIN, scope=options_pb2.SCOPE_WRITE, keys_may=allowance
    )
    with pytest.raises(PolicyMissingError, match="is_active"):
        compile_request_authorization(method_policy(method))
