"""Lists of people: one statement an order, and their length.

A parameter that is NULL lets everybody through. Statements are planned with the values at
hand, so that a filter that is not there costs nothing and a search uses its index.
"""

from chassis.postgres.connection import Transaction

from user_service.adapters.postgres.user_row import user_of
from user_service.domain.folding import search_terms
from user_service.domain.listing import Cursor, Filter, Sort
from user_service.domain.user import User

PAGES = {
    Sort.CREATED_AT: """
        SELECT id, email, full_name, role, is_active, email_verified,
               version, created_at, updated_at, last_login_at, pending_email
        FROM users.users
        WHERE ($1::text[] IS NULL OR search_text LIKE ANY ($1))
          AND ($2::text IS NULL OR role = $2)
          AND ($3::boolean IS NULL OR is_active = $3)
          AND ($4::timestamptz IS NULL OR (created_at, id) > ($4, $5::uuid))
        ORDER BY created_at, id
        OFFSET $6 LIMIT $7
    """,
    Sort.CREATED_AT_DESCENDING: """
        SELECT id, email, full_name, role, is_active, email_verified,
               version, created_at, updated_at, last_login_at, pending_email
        FROM users.users
        WHERE ($1::text[] IS NULL OR search_text LIKE ANY ($1))
          AND ($2::text IS NULL OR role = $2)
          AND ($3::boolean IS NULL OR is_active = $3)
          AND ($4::timestamptz IS NULL OR (created_at, id) < ($4, $5::uuid))
        ORDER BY created_at DESC, id DESC
        OFFSET $6 LIMIT $7
    """,
    Sort.EMAIL: """
        SELECT id, email, full_name, role, is_active, email_verified,
               version, created_at, updated_at, last_login_at, pending_email
        FROM users.users
        WHERE ($1::text[] IS NULL OR search_text LIKE ANY ($1))
          AND ($2::text IS NULL OR role = $2)
          AND ($3::boolean IS NULL OR is_active = $3)
          AND ($4::text IS NULL OR (email_key, id) > ($4, $5::uuid))
        ORDER BY email_key, id
        OFFSET $6 LIMIT $7
    """,
    Sort.FULL_NAME: """
        SELECT id, email, full_name, role, is_active, email_verified,
               version, created_at, updated_at, last_login_at, pending_email
        FROM users.users
        WHERE ($1::text[] IS NULL OR search_text LIKE ANY ($1))
          AND ($2::text IS NULL OR role = $2)
          AND ($3::boolean IS NULL OR is_active = $3)
          AND ($4::text IS NULL OR (full_name_key, id) > ($4, $5::uuid))
        ORDER BY full_name_key, id
        OFFSET $6 LIMIT $7
    """,
}

COUNT = """
    SELECT count(*)
    FROM users.users
    WHERE search_text LIKE ANY ($1)
      AND ($2::text IS NULL OR role = $2)
      AND ($3::boolean IS NULL OR is_active = $3)
"""

# Counting a million takes a tenth of a second, of each page.
TALLY = """
    SELECT coalesce(sum(people), 0)::bigint
    FROM users.tallies
    WHERE ($1::text IS NULL OR role = $1)
      AND ($2::boolean IS NULL OR is_active = $2)
"""


async def page(
    transaction: Transaction, which: Filter, sort: Sort, *, behind: Cursor | None, offset: int, limit: int
) -> list[User]:
    """Returns people in order, behind a cursor or else from an offset, at most `limit`."""
    await _plan_with_values(transaction)
    rows = await transaction.fetch(
        PAGES[sort],
        *_filters(which),
        None if behind is None else behind.key,
        None if behind is None else behind.user_id,
        offset,
        limit,
    )
    return [user_of(row) for row in rows]


async def count(transaction: Transaction, which: Filter) -> int:
    """Returns how many people a filter lets through."""
    if not which.search:
        return int(await transaction.fetchval(TALLY, which.role, which.is_active))
    await _plan_with_values(transaction)
    return int(await transaction.fetchval(COUNT, *_filters(which)))


async def _plan_with_values(transaction: Transaction) -> None:
    await transaction.execute("SET LOCAL plan_cache_mode = force_custom_plan")


def _filters(which: Filter) -> tuple[list[str] | None, str | None, bool | None]:
    patterns = [_like(term) for term in search_terms(which.search)] if which.search else None
    return (patterns, which.role, which.is_active)


def _like(part: str) -> str:
    """Returns the LIKE pattern for text that holds the part, whose wildcards mean themselves."""
    escaped = part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
