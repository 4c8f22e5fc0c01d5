"""Lists of people over the wire: orders, filters, pages, cursors."""

import base64
import json
from datetime import timedelta

import pytest
from chassis.errors import RemoteError
from user_service.domain.user import Role, User
from vestibule.users.v1 import user_pb2
from vestibule.users.v1 import user_service_pb2 as pb

from tests.user_service.builders import LONG_AGO, a_user, an_admin
from tests.user_service.conftest import House

SORTS = ["created_at", "-created_at", "email", "full_name"]


async def _people(house: House, count: int) -> list[User]:
    """Adds people whose orders all differ, several of them made at one moment, and signs an admin in."""
    people = [
        a_user(
            f"p{(number * 7) % count:03}@example.org",
            full_name=f"Person {(number * 3) % 5}",
            created_at=LONG_AGO + timedelta(seconds=number // 3),
        )
        for number in range(count)
    ]
    admin = a_user("admin@example.org", role=Role.ADMIN, full_name="Zoe", created_at=LONG_AGO)
    await house.add(*people, admin)
    house.sign_in(admin)
    return [*people, admin]


def _expected(people: list[User], sort: str) -> list[str]:
    match sort:
        case "email":
            people = sorted(people, key=lambda user: (user.email, user.id))
        case "full_name":
            people = sorted(people, key=lambda user: (user.full_name.lower(), user.id))
        case _:
            people = sorted(people, key=lambda user: (user.created_at, user.id), reverse=sort[0] == "-")
    return [str(user.id) for user in people]


@pytest.mark.parametrize("sort", SORTS)
async def test_every_order_by_pages_and_by_cursors(house: House, sort: str) -> None:
    """Both ways give everybody once, in order, and say where they stand."""
    people = await _people(house, 22)
    expected = _expected(people, sort)

    by_page, by_cursor, cursor = [], [], None
    for number in (1, 2, 3):
        page = await house.users.ListUsers(pb.ListUsersRequest(sort=sort, page=number, page_size=10))
        by_page += [user.id for user in page.users]
        assert (number, 10, 23, 3) == (
            page.pagination.page,
            page.pagination.page_size,
            page.pagination.total_items,
            page.pagination.total_pages,
        )
        assert (number < 3, number > 1) == (page.pagination.has_next, page.pagination.has_prev)
        assert page.pagination.HasField("next_cursor") == (number < 3)
        behind = await house.users.ListUsers(pb.ListUsersRequest(sort=sort, cursor=cursor, page_size=10))
        by_cursor += [user.id for user in behind.users]
        cursor = behind.pagination.next_cursor
        assert behind.pagination == page.pagination

    assert expected == by_page
    assert expected == by_cursor


async def test_defaults(house: House) -> None:
    """The oldest first, twenty a page."""
    people = await _people(house, 25)

    page = await house.users.ListUsers(pb.ListUsersRequest())

    assert _expected(people, "created_at")[:20] == [user.id for user in page.users]
    assert (page.pagination.page, page.pagination.page_size, page.pagination.total_pages) == (1, 20, 2)


async def test_page_behind_the_last(house: House) -> None:
    """It is empty, and says that there are pages before it."""
    await _people(house, 3)

    page = await house.users.ListUsers(pb.ListUsersRequest(page=1_000_000, page_size=100))

    assert list(page.users) == []
    assert (
        page.pagination.total_items,
        page.pagination.total_pages,
        page.pagination.has_next,
        page.pagination.has_prev,
    ) == (4, 1, False, True)


@pytest.mark.parametrize("sort", SORTS)
async def test_cursor_stands_whatever_changes(house: House, sort: str) -> None:
    """People who come or go while somebody pages make nobody else seen twice or missed."""
    people = await _people(house, 20)
    expected = _expected(people, sort)
    seen: list[str] = []
    cursor = None
    for _ in range(30):
        page = await house.users.ListUsers(pb.ListUsersRequest(sort=sort, cursor=cursor, page_size=3))
        seen += [user.id for user in page.users]
        if not page.pagination.has_next:
            break
        cursor = page.pagination.next_cursor
        # One who stands before everybody and one whom the page has ended with.
        early = LONG_AGO - timedelta(days=1) if sort == "created_at" else LONG_AGO + timedelta(days=900)
        await house.add(a_user(f"a{len(seen):03}@0.example", full_name="Aaa", created_at=early, user_id=None))
        last = page.users[-1]
        if last.role != user_pb2.ROLE_ADMIN:
            await house.database.execute("DELETE FROM users.users WHERE id = $1", last.id)

    assert expected == seen


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
        ("nobody", set()),
        ("'; DROP TABLE users.users; --", set()),
    ],
)
async def test_search(house: House, search: str, found: set[str]) -> None:
    """Any part of name or address, whatever the case; wildcards mean themselves."""
    people = {
        "ada": a_user("Ada.Lovelace@example.org", full_name="Ada King"),
        "grace": a_user("g@example.org", full_name="Grace Hopper"),
        "jürgen": a_user("j@example.org", full_name="Jürgen Müller"),
        "percent": a_user("p@example.org", full_name="100 % Sure"),
        "underscore": a_user("u@example.org", full_name="snake_case"),
        "backslash": a_user("b@example.org", full_name="back\\slash"),
        "admin": an_admin("admin@example.org"),
    }
    people["admin"] = a_user("admin@example.org", role=Role.ADMIN, full_name="Zoe")
    await house.add(*people.values())
    house.sign_in(people["admin"])

    page = await house.users.ListUsers(pb.ListUsersRequest(search=search))

    assert {str(people[name].id) for name in found} == {user.id for user in page.users}
    assert len(found) == page.pagination.total_items


async def test_filters(house: House) -> None:
    """Role and activity narrow the list and its count, together with a search."""
    admin, idle_admin, idle = (
        an_admin(),
        an_admin(is_active=False),
        a_user("idle@example.net", is_active=False),
    )
    await house.add(admin, idle_admin, idle, a_user(), a_user())
    house.sign_in(admin)

    async def ids(**which: object) -> set[str]:
        page = await house.users.ListUsers(pb.ListUsersRequest(**which))  # type: ignore[arg-type]
        assert len(page.users) == page.pagination.total_items
        return {user.id for user in page.users}

    assert {str(admin.id), str(idle_admin.id)} == await ids(role=user_pb2.ROLE_ADMIN)
    assert {str(idle_admin.id), str(idle.id)} == await ids(is_active=False)
    assert {str(admin.id)} == await ids(role=user_pb2.ROLE_ADMIN, is_active=True)
    assert {str(idle.id)} == await ids(is_active=False, search="NET")
    assert len(await ids(search="")) == 5


async def test_list_is_on_the_record_without_the_search(house: House) -> None:
    """That somebody listed is audited; for whom they searched is nobody's data to keep."""
    await _people(house, 1)

    await house.users.ListUsers(pb.ListUsersRequest(search="lovelace"))

    (event,) = await house.events()
    assert event.audit_recorded.action == "users.list"
    assert dict(event.audit_recorded.details) == {"rows": "0", "searched": "true"}


def _cursor(*content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


ID = "0192f1c4000070008000000000000000"


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "garbage",
        "ünicode",
        "A",
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
        base64.urlsafe_b64encode(b"[" * 300).decode(),
        _cursor(),
        _cursor("created_at", "2026-01-01T00:00:00+00:00", ID),
        _cursor("created_at", "2026-01-01T00:00:00", ID, 1),
        _cursor("created_at", "yesterday", ID, 1),
        _cursor("created_at", "0001-01-01T00:00:00+23:00", ID, 1),
        _cursor("created_at", 7, ID, 1),
        _cursor("created_at", "2026-01-01T00:00:00+00:00", "no id", 1),
        _cursor("created_at", "2026-01-01T00:00:00+00:00", ID, 0),
        _cursor("created_at", "2026-01-01T00:00:00+00:00", ID, True),
        _cursor("created_at", "2026-01-01T00:00:00+00:00", ID, 2**31),
        _cursor("email", "a@example.org", ID, 1),
        _cursor("password", "a", ID, 1),
        _cursor({"a": 1}, "a", ID, 1),
    ],
)
async def test_tampered_cursor(house: House, cursor: str) -> None:
    """It is a wrong field, never a failure."""
    await _people(house, 1)

    with pytest.raises(RemoteError) as caught:
        await house.users.ListUsers(pb.ListUsersRequest(cursor=cursor))

    assert caught.value.reason == "VALIDATION_ERROR"
    assert [error.field for error in caught.value.field_errors] == ["cursor"]


@pytest.mark.parametrize("key", ["\ud800", "\x00", "x" * 65])
async def test_tampered_text_in_a_cursor(house: House, key: str) -> None:
    """Text that no name can hold is refused before Postgres sees it."""
    await _people(house, 1)

    with pytest.raises(RemoteError) as caught:
        await house.users.ListUsers(
            pb.ListUsersRequest(cursor=_cursor("full_name", key, ID, 1), sort="full_name")
        )

    assert [error.field for error in caught.value.field_errors] == ["cursor"]


async def test_longest_names_give_usable_cursors(house: House) -> None:
    """Whatever folding makes of a name, its cursor fits the request and its key the index."""
    admin = an_admin()
    people = [a_user(full_name=letter * 255) for letter in ("\ufdfa", "\U0001f600", '"', "語")]
    await house.add(admin, *people)
    house.sign_in(admin)

    seen, cursor = [], None
    for _ in range(5):
        page = await house.users.ListUsers(pb.ListUsersRequest(sort="full_name", cursor=cursor, page_size=1))
        seen += [user.id for user in page.users]
        cursor = page.pagination.next_cursor

    assert {str(user.id) for user in (admin, *people)} == set(seen)
