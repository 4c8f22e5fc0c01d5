"""Signing up, in and out over gRPC, on a real Postgres."""

from uuid import UUID

import jwt
import pytest
from chassis.errors import (
    Invalid,
    RemoteError,
    ServiceError,
    TokenInvalid,
    TokenRevoked,
    Unauthenticated,
    Unavailable,
)
from chassis.grpc import committed
from chassis.ids import unix_milliseconds
from google.protobuf.timestamp_pb2 import Timestamp
from vestibule.auth.v1 import auth_service_pb2 as pb
from vestibule.auth.v1 import session_service_pb2, token_service_pb2
from vestibule.users.v1 import user_pb2

from tests.auth_service.local_service import EMAIL, NAME, PASSWORD
from tests.auth_service.service import Service


async def _reason(service: Service, request: pb.RegisterRequest | pb.LoginRequest) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        if isinstance(request, pb.RegisterRequest):
            await service.auth.Register(request)
        else:
            await service.auth.Login(request)
    return caught.value


async def test_a_user_registers_and_signs_in(service: Service) -> None:
    """The answer is the user as user-service has them."""
    request = pb.RegisterRequest(email=EMAIL, password=PASSWORD, full_name=NAME)
    user = (await service.auth.Register(request)).user

    tokens = await service.login()

    assert (user.email, user.full_name, user.role, user.etag) == (EMAIL, NAME, user_pb2.ROLE_USER, '"1-0"')
    assert (tokens.token_type, tokens.expires_in, tokens.refresh_expires_in) == ("bearer", 900, 604_800)
    assert tokens.role == user_pb2.ROLE_USER
    assert service.directory.signed_in == [UUID(user.id)]
    assert await service.actions() == [("auth.register", "success"), ("auth.login", "success")]
    kinds = [event.WhichOneof("payload") for event in await service.events()]
    assert kinds == ["registration_started"]


async def test_what_a_call_commits_travels_back(service: Service) -> None:
    """The gateway that took the call drops its cache and applies revocations at once."""
    user_id = await service.register()
    tokens = await service.login()
    service.come_as(tokens.access_token)
    events = committed.collect()

    await service.auth.LogoutAll(pb.LogoutAllRequest())

    event = events[0].event
    assert len(events) == 1
    assert event.tokens_revoked.user_id == user_id
    assert event.tokens_revoked.issued_until_milliseconds < event.tokens_revoked.expires_at_milliseconds


async def test_errors_keep_their_names_on_the_wire(service: Service) -> None:
    """Reason, field and wait."""
    await service.register()

    taken = await _reason(service, pb.RegisterRequest(email=EMAIL, password=PASSWORD, full_name=NAME))
    weak = await _reason(service, pb.RegisterRequest(email="b@x.org", password="password1", full_name=NAME))
    wrong = await _reason(service, pb.LoginRequest(email=EMAIL, password="wrong"))
    unknown = await _reason(service, pb.LoginRequest(email="b@x.org", password="wrong"))
    malformed = await _reason(service, pb.LoginRequest(email="nonsense", password="wrong"))

    assert [taken.reason, weak.reason, wrong.reason] == [
        "EMAIL_TAKEN",
        "WEAK_PASSWORD",
        "INVALID_CREDENTIALS",
    ]
    assert [error.field for error in weak.field_errors] == ["password"]
    assert (wrong.reason, wrong.message, wrong.details) == (unknown.reason, unknown.message, unknown.details)
    assert malformed.reason == Invalid.reason


async def test_five_wrong_passwords_make_one_client_wait(service: Service) -> None:
    """Known and unknown alike, and no other client."""
    await service.register()
    for email in (EMAIL, "unknown@example.com"):
        wrong = pb.LoginRequest(email=email, password="wrong")
        reasons = [(await _reason(service, wrong)).reason for _ in range(5)]
        blocked = await _reason(service, pb.LoginRequest(email=email, password=PASSWORD))

        assert reasons == ["INVALID_CREDENTIALS"] * 5
        assert (blocked.reason, blocked.retry_after_seconds) == ("TOO_MANY_ATTEMPTS", 900)
        assert blocked.message == "Too many wrong attempts. Wait before you try again."

    await service.login(address="192.0.2.2")


async def test_logging_out_bites(service: Service) -> None:
    """The access token and the refresh token of this session, and of no other."""
    await service.register()
    here, elsewhere = await service.login(), await service.login()

    service.come_as(here.access_token)
    await service.auth.Logout(pb.LogoutRequest())
    with pytest.raises(RemoteError) as again:
        await service.auth.Logout(pb.LogoutRequest())
    with pytest.raises(RemoteError) as refreshed:
        await service.refresh(here.refresh_token)

    assert (again.value.reason, refreshed.value.reason) == (TokenRevoked.reason, TokenRevoked.reason)
    service.come_as(elsewhere.access_token)
    sessions = (await service.sessions.ListSessions(session_service_pb2.ListSessionsRequest())).sessions
    assert [each.current for each in sessions] == [True]


async def test_sessions_are_listed_and_ended(service: Service) -> None:
    """Another's session is not found."""
    await service.register()
    await service.register("bob@example.com")
    one, two, bobs = await service.login(), await service.login(), await service.login("bob@example.com")
    service.come_as(bobs.access_token)
    (bobs_session,) = (
        await service.sessions.ListSessions(session_service_pb2.ListSessionsRequest())
    ).sessions
    service.come_as(one.access_token)
    listed = (await service.sessions.ListSessions(session_service_pb2.ListSessionsRequest())).sessions

    assert [each.current for each in listed] == [False, True]
    assert {(each.ip, each.user_agent) for each in listed} == {("192.0.2.1", "test")}
    with pytest.raises(RemoteError) as caught:
        await service.sessions.EndSession(session_service_pb2.EndSessionRequest(session_id=bobs_session.id))
    assert caught.value.reason == "NOT_FOUND"
    await service.sessions.EndSession(session_service_pb2.EndSessionRequest(session_id=listed[0].id))
    with pytest.raises(RemoteError):
        await service.refresh(two.refresh_token)


async def test_a_password_is_changed(service: Service) -> None:
    """Other sessions end; this one goes on."""
    await service.register()
    here, elsewhere = await service.login(), await service.login()
    service.come_as(here.access_token)

    await service.auth.ChangePassword(
        pb.ChangePasswordRequest(old_password=PASSWORD, new_password="another stone lamp")
    )

    await service.refresh(here.refresh_token)
    with pytest.raises(RemoteError):
        await service.refresh(elsewhere.refresh_token)
    service.come_as(elsewhere.access_token)
    with pytest.raises(RemoteError):
        await service.sessions.ListSessions(session_service_pb2.ListSessionsRequest())
    await service.login(password="another stone lamp")


async def test_tokens_are_verified_against_postgres(service: Service) -> None:
    """Introspection and the service's own door agree."""
    user_id = await service.register()
    tokens = await service.login()
    good = await service.tokens.IntrospectToken(
        token_service_pb2.IntrospectTokenRequest(token=tokens.access_token)
    )
    service.come_as(tokens.access_token)
    await service.auth.LogoutAll(pb.LogoutAllRequest())
    renewed = await service.login()

    reasons = [
        (await service.tokens.IntrospectToken(token_service_pb2.IntrospectTokenRequest(token=token))).reason
        for token in (tokens.access_token, renewed.access_token, renewed.access_token[:-4] + "AAAA", "x.y.z")
    ]
    (revoked,) = (
        await service.tokens.ListRevocations(token_service_pb2.ListRevocationsRequest())
    ).revocations

    assert good.active
    assert reasons == [TokenRevoked.reason, "", TokenInvalid.reason, TokenInvalid.reason]
    assert revoked.user_id == user_id
    assert revoked.expires_at_milliseconds - revoked.issued_until_milliseconds == 960_000, (
        "as long as tokens live"
    )


async def test_a_sign_in_right_after_a_revocation_is_not_refused(service: Service) -> None:
    """Tokens and revocations compare by milliseconds: the next token is always of a later one."""
    await service.register()
    for _ in range(10):
        tokens = await service.login()
        service.come_as(tokens.access_token)
        await service.auth.LogoutAll(pb.LogoutAllRequest())

    revocations = (
        await service.tokens.ListRevocations(token_service_pb2.ListRevocationsRequest())
    ).revocations
    assert len(revocations) == 10


async def test_revocations_are_listed_since_any_time(service: Service) -> None:
    """Since the first moment that there is, too; what is no time is refused."""
    await service.register()
    service.come_as((await service.login()).access_token)
    await service.auth.LogoutAll(pb.LogoutAllRequest())

    first = Timestamp(seconds=-62_135_596_800)
    listed = await service.tokens.ListRevocations(token_service_pb2.ListRevocationsRequest(since=first))
    assert len(listed.revocations) == 1
    wrong = Timestamp(nanos=-(2**31))
    with pytest.raises(RemoteError) as refused:
        await service.tokens.ListRevocations(token_service_pb2.ListRevocationsRequest(since=wrong))
    assert refused.value.reason == Invalid.reason


async def test_who_is_not_signed_in_gets_nowhere(service: Service) -> None:
    """No token, and a token that is none."""
    for token, reason in (("", Unauthenticated.reason), ("nonsense", TokenInvalid.reason)):
        service.come_as(token)
        with pytest.raises(RemoteError) as caught:
            await service.auth.Logout(pb.LogoutRequest())
        assert caught.value.reason == reason


async def test_while_user_service_is_away_a_registration_waits(service: Service) -> None:
    """Unavailable, and repeating it later finishes the same one."""
    service.directory.failure = Unavailable()
    with pytest.raises(Unavailable) as caught:
        await service.register()
    service.directory.failure = None

    user_id = await service.register()

    assert caught.value.retry_after_seconds
    assert await service.count("credentials") == 1
    (started,) = await service.events()
    assert started.registration_started.user_id == user_id


async def test_access_tokens_carry_postgres_clock(service: Service) -> None:
    """Issued by the session's own beginning, to the millisecond."""
    await service.register()
    tokens = await service.login()
    service.come_as(tokens.access_token)
    (session,) = (await service.sessions.ListSessions(session_service_pb2.ListSessionsRequest())).sessions

    jti = UUID(_claims(tokens.access_token)["jti"])

    assert unix_milliseconds(jti) == session.created_at.ToMilliseconds()


def _claims(token: str) -> dict[str, str]:
    claims: dict[str, str] = jwt.decode(token, options={"verify_signature": False})
    return claims
