"""The contract of the port to auth-service's accounts: in memory and over gRPC."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from chassis.errors import ServiceError, Unavailable
from chassis.grpc.channel import open_channel
from chassis.identity.role import Role
from user_service.adapters.accounts import GrpcAccounts
from user_service.domain.accounts import Accounts, Registration
from user_service.wiring import SERVICE
from vestibule.auth.v1 import account_service_pb2

from tests.fakes.service_keys import service_tokens
from tests.fakes.user_service import FakeAccounts
from tests.user_service import auth_stand_in
from tests.user_service.auth_stand_in import AuthStandIn
from tests.user_service.builders import a_user

Remote = FakeAccounts | AuthStandIn
Port = tuple[Accounts, Remote, Callable[[], None]]
ADA = Registration("Ada@example.org", "Ada Lovelace", Role.ADMIN)


class AccountsContract:
    """The contract; subclasses provide the port, what is behind it, and a function that stops it."""

    async def test_registration(self, port: Port) -> None:
        """A pending registration is returned; otherwise None."""
        accounts, remote, _ = port
        user_id = a_user().id
        remote.waiting[user_id] = ADA

        assert await accounts.registration(user_id) == ADA
        assert await accounts.registration(a_user().id) is None

    async def test_imported_registration(self, port: Port) -> None:
        """What the other system knew of the user comes along."""
        accounts, remote, _ = port
        user_id = a_user().id
        imported = replace(ADA, created_at=datetime(2019, 3, 4, 5, 6, 7, tzinfo=UTC), is_active=False)
        remote.waiting[user_id] = imported

        assert await accounts.registration(user_id) == imported

    async def test_refuse_registration(self, port: Port) -> None:
        """It is dropped; refusing it again is no error."""
        accounts, remote, _ = port
        user_id = a_user().id
        remote.waiting[user_id] = ADA

        await accounts.refuse_registration(user_id)
        await accounts.refuse_registration(user_id)

        assert await accounts.registration(user_id) is None

    async def test_sync(self, port: Port) -> None:
        """auth-service receives the user's id."""
        accounts, remote, _ = port
        user_id = a_user().id

        await accounts.sync(user_id)

        assert [user_id] == remote.synced

    async def test_verify_password(self, port: Port) -> None:
        """Right, wrong, and that of an unknown user."""
        accounts, remote, _ = port
        user_id = a_user().id
        remote.passwords[user_id] = "correct"

        assert await accounts.verify_password(user_id, "correct")
        assert not await accounts.verify_password(user_id, "wrong")
        assert not await accounts.verify_password(a_user().id, "correct")

    async def test_unavailable(self, port: Port) -> None:
        """Every method raises `Unavailable`."""
        accounts, _, stop = port
        stop()
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

    @pytest.fixture(name="port")
    def _port(self) -> Port:
        accounts = FakeAccounts()

        def stop() -> None:
            accounts.down = True

        return accounts, accounts, stop


class TestGrpcAccounts(AccountsContract):
    """Over gRPC."""

    @pytest.fixture(name="port")
    async def _port(self) -> AsyncIterator[Port]:
        async with (
            auth_stand_in.serving() as auth,
            open_channel(
                auth.address,
                service_tokens=service_tokens(SERVICE),
                services=[account_service_pb2.DESCRIPTOR.services_by_name["AccountService"]],
            ) as channel,
        ):

            def stop() -> None:
                auth.failure = Unavailable()

            yield GrpcAccounts(channel), auth, stop

    async def test_an_internal_error_of_auth_service_is_unavailable(self, port: Port) -> None:
        """The change is committed by then, and the outbox retries the sync."""
        accounts, remote, _ = port
        assert isinstance(remote, AuthStandIn)
        remote.failure = ServiceError()

        with pytest.raises(Unavailable):
            await accounts.sync(a_user().id)
