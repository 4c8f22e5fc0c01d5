"""What the port to auth-service's accounts promises, in memory and over gRPC."""

from collections.abc import AsyncIterator, Callable

import pytest
from chassis.errors import ServiceError, Unavailable
from chassis.grpc.channel import open_channel
from user_service.adapters.accounts import GrpcAccounts
from user_service.domain.accounts import Accounts, Registration
from user_service.domain.user import Role
from user_service.wiring import SERVICE
from vestibule.auth.v1 import account_service_pb2

from tests.fakes.service_keys import service_tokens
from tests.fakes.user_service import FakeAccounts
from tests.user_service import auth_stand_in
from tests.user_service.auth_stand_in import AuthStandIn
from tests.user_service.builders import a_user

Far = FakeAccounts | AuthStandIn
World = tuple[Accounts, Far, Callable[[], None]]
ADA = Registration("Ada@example.org", "Ada Lovelace", Role.ADMIN)


class AccountsContract:
    """The promises; subclasses bring the world: the port, what is behind it, how to take it away."""

    async def test_registration(self, world: World) -> None:
        """One that waits is returned whole; where there is none, None."""
        accounts, far, _ = world
        user_id = a_user().id
        far.waiting[user_id] = ADA

        assert await accounts.registration(user_id) == ADA
        assert await accounts.registration(a_user().id) is None

    async def test_refuse_registration(self, world: World) -> None:
        """It is gone, and refusing it again is no error."""
        accounts, far, _ = world
        user_id = a_user().id
        far.waiting[user_id] = ADA

        await accounts.refuse_registration(user_id)
        await accounts.refuse_registration(user_id)

        assert await accounts.registration(user_id) is None

    async def test_sync(self, world: World) -> None:
        """auth-service hears whom it concerns."""
        accounts, far, _ = world
        user_id = a_user().id

        await accounts.sync(user_id)

        assert [user_id] == far.synced

    async def test_verify_password(self, world: World) -> None:
        """Right or wrong, and wrong for nobody."""
        accounts, far, _ = world
        user_id = a_user().id
        far.passwords[user_id] = "correct"

        assert await accounts.verify_password(user_id, "correct")
        assert not await accounts.verify_password(user_id, "wrong")
        assert not await accounts.verify_password(a_user().id, "correct")

    async def test_away(self, world: World) -> None:
        """Whatever is asked, it is to be asked later."""
        accounts, _, take_away = world
        take_away()
        user_id = a_user().id

        for call in (
            accounts.registration(user_id),
            accounts.refuse_registration(user_id),
            accounts.sync(user_id),
            accounts.verify_password(user_id, "correct"),
        ):
            with pytest.raises(Unavailable) as caught:
                await call
            assert caught.value.retry_after_seconds


class TestFakeAccounts(AccountsContract):
    """In memory."""

    @pytest.fixture(name="world")
    def _world(self) -> World:
        accounts = FakeAccounts()

        def take_away() -> None:
            accounts.away = True

        return accounts, accounts, take_away


class TestGrpcAccounts(AccountsContract):
    """Over the wire."""

    @pytest.fixture(name="world")
    async def _world(self) -> AsyncIterator[World]:
        async with (
            auth_stand_in.serving() as auth,
            open_channel(
                auth.address,
                service_tokens=service_tokens(SERVICE),
                services=[account_service_pb2.DESCRIPTOR.services_by_name["AccountService"]],
            ) as channel,
        ):

            def take_away() -> None:
                auth.failure = Unavailable()

            yield GrpcAccounts(channel), auth, take_away

    async def test_bug_of_auth_service_leaves_the_outbox_to_finish(self, world: World) -> None:
        """A change is committed by then: whatever ails auth-service, it is not in step yet."""
        accounts, far, _ = world
        assert isinstance(far, AuthStandIn)
        far.failure = ServiceError()

        with pytest.raises(Unavailable):
            await accounts.sync(a_user().id)
