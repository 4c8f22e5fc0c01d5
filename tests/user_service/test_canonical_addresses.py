"""Addresses by IDNA 2008: unique, searchable, and migrated from the previous release."""

import pytest
from chassis.startup_errors import StartupError
from devstack.database import Database
from user_service.domain.errors import EmailTaken
from user_service.domain.user import User
from vestibule.users.v1 import user_service_pb2 as pb

from tests.migrating import migrate_once_more
from tests.user_service.builders import a_user, an_admin
from tests.user_service.conftest import Service

MIGRATION = "user_service.migrations.versions.0004_rewrite_canonical_addresses"
OLD_FORM = "UPDATE users.users SET email_canonical = $2, search_text = $2 WHERE id = $1"


async def _found(service: Service, admin: User, wanted: str) -> list[str]:
    service.sign_in(admin)
    page = await service.users.ListUsers(pb.ListUsersRequest(search=wanted))
    assert page.pagination.total_items == len(page.users)
    return [user.id for user in page.users]


async def test_one_mailbox_is_one_user(service: Service) -> None:
    """The Unicode and ASCII forms of a domain are equal; a similar domain is not."""
    await service.add(a_user("x@stra\u00dfe.example"))

    with pytest.raises(EmailTaken):
        await service.add(a_user("X@XN--STRAE-OQA.example"))
    await service.add(a_user("x@strasse.example"))


@pytest.mark.parametrize(
    "wanted",
    [
        "x@stra\u00dfe.example",
        "X@STRA\u00dfE",
        "stra\u00dfe.ex",
        "@xn--strae-oqa.example",
        "xn--strae",
        "x@str",
    ],
)
async def test_search_finds_every_spelling(service: Service, wanted: str) -> None:
    """A domain is found in Unicode and in ASCII."""
    admin, user = an_admin(), a_user("x@stra\u00dfe.example", full_name="Ada")
    await service.add(admin, user, a_user("y@elsewhere.example", full_name="Eve"))

    assert await _found(service, admin, wanted) == [str(user.id)]


async def test_search_keeps_domains_apart(service: Service) -> None:
    """A whole address finds only its own user."""
    admin, other = an_admin(), a_user("x@strasse.example", full_name="Eve")
    await service.add(admin, a_user("x@stra\u00dfe.example", full_name="Ada"), other)

    assert await _found(service, admin, "x@strasse.example") == [str(other.id)]


async def test_old_forms_are_rewritten(service: Service, emptied_database: Database) -> None:
    """After the upgrade the mailbox is found, and the other domain is available."""
    user = a_user("x@stra\u00dfe.example")
    await service.add(user)
    await service.pool.execute(OLD_FORM, user.id, "x@strasse.example")

    await migrate_once_more(emptied_database.url("users_owner"), MIGRATION)

    await service.add(a_user("x@strasse.example"))
    with pytest.raises(EmailTaken):
        await service.add(a_user("x@xn--strae-oqa.example"))


async def test_two_users_with_one_mailbox(service: Service, emptied_database: Database) -> None:
    """The migration fails and names them."""
    user, other = a_user("x@stra\u00dfe.example"), a_user("x@xn--strae-oqa.example")
    await service.add(user)
    await service.pool.execute(OLD_FORM, user.id, "x@strasse.example")
    await service.add(other)

    with pytest.raises(StartupError, match=f"{user.id} and {other.id}"):
        await migrate_once_more(emptied_database.url("users_owner"), MIGRATION)
