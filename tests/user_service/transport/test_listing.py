"""Lists of users over gRPC: orders, filters, pages, cursors."""

import base64
import json
from datetime import timedelta

import pytest
from chassis.errors import RemoteError
from chassis.identity.role import Role
from user_service.domain.user import User
from vestibule.users.v1 import user_pb2
from vestibule.users.v1 import user_service_pb2 as pb

from tests.user_service.builders import LONG_AGO, a_user, an_admin
from tests.user_service.conftest import Service

SORTS = ["created_at", "-created_at", "email", "full_name"]


async def _add_users(service: Service, count: int) -> list[User]:
    """Adds users with a different place in every order, some with equal times, and signs an admin in."""
    users = [
        a_user(
            f"p{(number * 7) % count:03}@example.org",
            full_name=f"Person {(number * 3) % 5}",
            created_at=LONG_AGO + timedelta(seconds=number // 3),
        )
        for number in range(count)
    ]
    admin = a_user("admin@example.org", role=Role.ADMIN, full_name="Zoe", created_at=LONG_AGO)
    await service.add(*users, admin)
    service.sign_in(admin)
    return [*users, admin]


def _expected(users: list[User], sort: str) -> list[str]:
    match sort:
        case "email":
            users = sorted(users, key=lambda user: (user.email, user.id))
        case "full_name":
            users = sorted(users, key=lambda user: (user.full_name.lower(), user.id))
        case _:
            users = sorted(users, key=lambda user: (user.created_at, user.id), reverse=sort[0] == "-")
    return [str(user.id) for user in users]


@pytest.mark.parametrize("sort", SORTS)
async def test_every_order_by_pages_and_by_cursors(service: Service, sort: str) -> None:
    """Both ways return each user once, in order, with the position."""
    users = await _add_users(service, 22)
    expected = _expected(users, sort)

    by_page, by_cursor, cursor = [], [], None
    for number in (1, 2, 3):
        page = await service.users.ListUsers(pb.ListUsersRequest(sort=sort, page=number, page_size=10))
        by_page += [user.id for user in page.users]
        assert (number, 10, 23, 3) == (
            page.pagination.page,
            page.pagination.page_size,
            page.pagination.total_items,
            page.pagination.total_pages,
        )
        assert (number < 3, number > 1) == (page.pagination.has_next, page.pagination.has_prev)
        assert page.pagination.HasField("next_cursor") == (number < 3)
        following = await service.users.ListUsers(pb.ListUsersRequest(sort=sort, cursor=cursor, page_size=10))
        by_cursor += [user.id for user in following.users]
        cursor = following.pagination.next_cursor
        assert following.pagination == page.pagination

    assert expected == by_page
    assert expected == by_cursor


async def test_defaults(service: Service) -> None:
    """Oldest first, twenty per page."""
    users = await _add_users(service, 25)

    page = await service.users.ListUsers(pb.ListUsersRequest())

    assert _expected(users, "created_at")[:20] == [user.id for user in page.users]
    assert (page.pagination.page, page.pagination.page_size, page.pagination.total_pages) == (1, 20, 2)


async def test_page_after_the_last(service: Service) -> None:
    """It is empty, and says that there are previous pages."""
    await _add_users(service, 3)

    page = await service.users.ListUsers(pb.ListUsersRequest(page=1_000_000, page_size=100))

    assert list(page.users) == []
    assert (
        page.pagination.total_items,
        page.pagination.total_pages,
        page.pagination.has_next,
        page.pagination.has_prev,
    ) == (4, 1, False, True)


@pytest.mark.parametrize("sort", SORTS)
async def test_cursor_survives_changes(service: Service, sort: str) -> None:
    """Users added or erased while a client pages make no other user appear twice or get lost."""
    users = await _add_users(service, 20)
    expected = _expected(users, sort)
    seen: list[str] = []
    cursor = None
    for _ in range(30):
        page = await service.users.ListUsers(pb.ListUsersRequest(sort=sort, cursor=cursor, page_size=3))
        seen += [user.id for user in page.users]
        if not page.pagination.has_next:
            break
        cursor = page.pagination.next_cursor
        # Add a user before all others, and erase the last one of the page.
        early = LONG_AGO - timedelta(days=1) if sort == "created_at" else LONG_AGO + timedelta(days=900)
        await service.add(a_user(f"a{len(seen):03}@0.example", full_name="Aaa", created_at=early))
        last = page.users[-1]
        if last.role != user_pb2.ROLE_ADMIN:
            await service.pool.execute("DELETE FROM users.users WHERE id = $1", last.id)

    assert expected == seen


async def test_a_cursor_belongs_to_its_filters(service: Service) -> None:
    """With other filters or in another order its place would mean nothing; another page size is fine."""
    await _add_users(service, 9)
    first = await service.users.ListUsers(pb.ListUsersRequest(search="p0", page_size=2))
    cursor = first.pagination.next_cursor

    others = (
        pb.ListUsersRequest(cursor=cursor),
        pb.ListUsersRequest(cursor=cursor, search="p00"),
        pb.ListUsersRequest(cursor=cursor, search="p0", role=user_pb2.ROLE_USER),
        pb.ListUsersRequest(cursor=cursor, search="p0", is_active=True),
        pb.ListUsersRequest(cursor=cursor, search="p0", sort="email"),
    )
    for other in others:
        with pytest.raises(RemoteError) as caught:
            await service.users.ListUsers(other)
        assert [error.field for error in caught.value.field_errors] == ["cursor"]

    following = await service.users.ListUsers(pb.ListUsersRequest(cursor=cursor, search="p0", page_size=3))
    assert len(following.users) == 3


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("LOVE", {"ada"}),
        ("lovelace@", {"ada"}),
        ("grace", {"grace"}),
        ("MÜLLER", {"jürgen"}),
        ("müller", {"jürgen"}),
        ("%", {"percent"}),
        ("_", {"underscore"}),
        ("\\", {"backslash"}),
        ("example.org", {"ada", "grace", "jürgen", "percent", "underscore", "backslash", "admin"}),
        ("unknown", set()),
        ("'; DROP TABLE users.users; --", set()),
    ],
)
async def test_search(service: Service, search: str, found: set[str]) -> None:
    """Any part of name or address matches, in any case; wildcards are literal."""
    users = {
        "ada": a_user("Ada.Lovelace@example.org", full_name="Ada King"),
        "grace": a_user("g@example.org", full_name="Grace Hopper"),
        "jürgen": a_user("j@example.org", full_name="Jürgen Müller"),
        "percent": a_user("p@example.org", full_name="100 % Sure"),
        "underscore": a_user("u@example.org", full_name="snake_case"),
        "backslash": a_user("b@example.org", full_name="back\\slash"),
        "admin": an_admin("admin@example.org"),
    }
    users["admin"] = a_user("admin@example.org", role=Role.ADMIN, full_name="Zoe")
    await service.add(*users.values())
    service.sign_in(users["admin"])

    page = await service.users.ListUsers(pb.ListUsersRequest(search=search))

    assert {str(users[name].id) for name in found} == {user.id for user in page.users}
    assert len(found) == page.pagination.total_items


async def test_filters(service: Service) -> None:
    """Role and activity narrow the list and its count, together with a search."""
    admin, idle_admin, idle = (
        an_admin(),
        an_admin(is_active=False),
        a_user("idle@example.net", is_active=False),
    )
    await service.add(admin, idle_admin, idle, a_user(), a_user())
    service.sign_in(admin)

    async def ids(**which: object) -> set[str]:
        page = await service.users.ListUsers(pb.ListUsersRequest(**which))  # type: ignore[arg-type]
        assert len(page.users) == page.pagination.total_items
        return {user.id for user in page.users}

    assert {str(admin.id), str(idle_admin.id)} == await ids(role=user_pb2.ROLE_ADMIN)
    assert {str(idle_admin.id), str(idle.id)} == await ids(is_active=False)
    assert {str(admin.id)} == await ids(role=user_pb2.ROLE_ADMIN, is_active=True)
    assert {str(idle.id)} == await ids(is_active=False, search="NET")
    assert len(await ids(search="")) == 5


async def test_list_is_audited_without_the_search(service: Service) -> None:
    """The searched text may be personal data."""
    await _add_users(service, 1)

    await service.users.ListUsers(pb.ListUsersRequest(search="lovelace"))

    (event,) = await service.events()
    assert event.audit_recorded.action == "users.list"
    assert dict(event.audit_recorded.details) == {"rows": "0", "searched": "true"}


async def _other_cursor(service: Service, sort: str, *key: object) -> str:
    """Returns the cursor of the list in an order, with another key."""
    page = await service.users.ListUsers(pb.ListUsersRequest(sort=sort, page_size=1))
    text = page.pagination.next_cursor
    mark, number, *_ = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return base64.urlsafe_b64encode(json.dumps([mark, number, *key]).encode()).rstrip(b"=").decode()


ID = "0192f1c4000070008000000000000000"


@pytest.mark.parametrize(
    ("sort", "key"),
    [
        ("created_at", ("2026-01-01T00:00:00+00:00",)),
        ("created_at", ("2026-01-01T00:00:00+00:00", ID, ID)),
        ("created_at", ("2026-01-01T00:00:00+00:00", "no id")),
        ("created_at", ("2026-01-01T00:00:00", ID)),
        ("created_at", ("yesterday", ID)),
        ("created_at", ("0001-01-01T00:00:00+23:00", ID)),
        ("created_at", (7, ID)),
        ("full_name", ("\ud800", ID)),
        ("full_name", ("\x00", ID)),
        ("full_name", ("x" * 65, ID)),
    ],
)
async def test_tampered_cursor(service: Service, sort: str, key: tuple[object, ...]) -> None:
    """It is an invalid field, never an internal error, and never reaches Postgres."""
    await _add_users(service, 2)
    cursor = await _other_cursor(service, sort, *key)

    with pytest.raises(RemoteError) as caught:
        await service.users.ListUsers(pb.ListUsersRequest(cursor=cursor, sort=sort))

    assert caught.value.reason == "VALIDATION_ERROR"
    assert [error.field for error in caught.value.field_errors] == ["cursor"]


async def test_longest_names_give_usable_cursors(service: Service) -> None:
    """However long the folded name, its cursor fits the request, and its key the index."""
    admin = an_admin()
    users = [a_user(full_name=letter * 255) for letter in ("\ufdfa", "\U0001f600", '"', "語")]
    await service.add(admin, *users)
    service.sign_in(admin)

    seen, cursor = [], None
    for _ in range(5):
        page = await service.users.ListUsers(
            pb.ListUsersRequest(sort="full_name", cursor=cursor, page_size=1)
        )
        seen += [user.id for user in page.users]
        cursor = page.pagination.next_cursor

    assert {str(user.id) for user in (admin, *users)} == set(seen)
