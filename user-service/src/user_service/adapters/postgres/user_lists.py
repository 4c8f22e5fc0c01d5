"""Lists of users: one statement per order, and their length.

A parameter that is NULL does not filter. Statements are planned with their values, so that an
absent filter costs nothing and a search uses its index.
"""

from chassis.postgres.connection import Connection

from user_service.adapters.postgres.user_row import COLUMNS, user_of
from user_service.domain.folding import search_terms
from user_service.domain.listing import Filter, Position, Sort
from user_service.domain.user import User

FILTERS = """
    ($1::text[] IS NULL OR search_text LIKE ANY ($1))
      AND ($2::text IS NULL OR role = $2)
      AND ($3::boolean IS NULL OR is_active = $3)
"""

PAGES = {
    Sort.CREATED_AT: f"""
    SELECT {COLUMNS} FROM users.users
    WHERE {FILTERS}
      AND ($4::timestamptz IS NULL OR (created_at, id) > ($4, $5::uuid))
    ORDER BY created_at, id OFFSET $6 LIMIT $7
    """,  # noqa: S608 of constants
    Sort.CREATED_AT_DESCENDING: f"""
    SELECT {COLUMNS} FROM users.users
    WHERE {FILTERS}
      AND ($4::timestamptz IS NULL OR (created_at, id) < ($4, $5::uuid))
    ORDER BY created_at DESC, id DESC OFFSET $6 LIMIT $7
    """,  # noqa: S608 of constants
    Sort.EMAIL: f"""
    SELECT {COLUMNS} FROM users.users
    WHERE {FILTERS}
      AND ($4::text IS NULL OR (email_key, id) > ($4, $5::uuid))
    ORDER BY email_key, id OFFSET $6 LIMIT $7
    """,  # noqa: S608 of constants
    Sort.FULL_NAME: f"""
    SELECT {COLUMNS} FROM users.users
    WHERE {FILTERS}
      AND ($4::text IS NULL OR (full_name_key, id) > ($4, $5::uuid))
    ORDER BY full_name_key, id OFFSET $6 LIMIT $7
    """,  # noqa: S608 of constants
}

COUNT = """
    SELECT count(*)
    FROM users.users
    WHERE search_text LIKE ANY ($1)
      AND ($2::text IS NULL OR role = $2)
      AND ($3::boolean IS NULL OR is_active = $3)
"""

# Counting a million rows takes a tenth of a second, for each page.
TALLY = """
    SELECT coalesce(sum(people), 0)::bigint
    FROM users.tallies
    WHERE ($1::text IS NULL OR role = $1)
      AND ($2::boolean IS NULL OR is_active = $2)
"""


async def page(
    connection: Connection, which: Filter, sort: Sort, *, after: Position | None, offset: int, limit: int
) -> list[User]:
    """Returns users in order, after a position or from an offset, at most `limit`."""
    await _plan_with_values(connection)
    rows = await connection.fetch(
        PAGES[sort],
        *_filters(which),
        None if after is None else after.key,
        None if after is None else after.user_id,
        offset,
        limit,
    )
    return [user_of(row) for row in rows]


async def count(connection: Connection, which: Filter) -> int:
    """Returns how many users match a filter."""
    if not which.search:
        return int(await connection.fetchval(TALLY, which.role, which.is_active))
    await _plan_with_values(connection)
    return int(await connection.fetchval(COUNT, *_filters(which)))


async def _plan_with_values(connection: Connection) -> None:
    await connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")


def _filters(which: Filter) -> tuple[list[str] | None, str | None, bool | None]:
    patterns = [_like(term) for term in search_terms(which.search)] if which.search else None
    return (patterns, which.role, which.is_active)


def _like(part: str) -> str:
    """Returns the LIKE pattern for text that contains the part literally."""
    escaped = part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
