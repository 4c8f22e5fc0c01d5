"""Users, sessions and audit entries by the million, straight into Postgres, valid like the services' own."""

import asyncio
import hashlib
import io
import itertools
import json
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import asyncpg
from argon2 import PasswordHasher
from auth_service.adapters.postgres.audit import chained_of
from auth_service.domain.audit import GENESIS, AuditEntry, canonical_form
from chassis.ids import uuid7
from devstack.database import Database

PASSWORD = "velvet-anchor-harvest-moon"
_DOMAIN = "growth.vestibule.test"
_ENTRIES_AT_ONCE = 20_000
_SIGNED_WITHIN_SECONDS = 1_800.0

# Names are of eight letters that stand in for a real name's variety; the address has others.
_USERS = """
WITH made AS MATERIALIZED (
    SELECT number, uuidv7(make_interval(secs => number - $2)) AS id,
           now() + make_interval(secs => number - $2) AS at,
           'p' || number || '@' || $3 AS email,
           translate(left(md5('first' || number), 4), '0123456789', 'ghijklmnop') || ' '
               || translate(left(md5('last' || number), 6), '0123456789', 'ghijklmnop') AS name
      FROM generate_series($1::bigint, $2::bigint) AS number
), credentials AS (
    INSERT INTO auth.credentials (user_id, email, email_canonical, password_hash, role, is_pending,
                                  version, created_at, updated_at, password_changed_at)
    SELECT id, email, email, $4, 'user', false, 1, at, at, at FROM made
), users AS (
    INSERT INTO users.users (id, email, email_canonical, email_key, full_name, full_name_key, search_text,
                             role, is_active, email_verified, version, created_at, updated_at)
    SELECT id, email, email, left(email, 64), initcap(name), name, email || chr(31) || name,
           'user', true, true, 1, at, at FROM made
)
SELECT count(*) FROM made
"""
# A million checks of a foreign key, one by one, would take minutes; it holds by construction.
_SESSIONS = """
INSERT INTO auth.sessions (id, user_id, rotated_at, created_at, last_used_at, expires_at, ip, user_agent)
SELECT uuidv7(), user_id, now(), now(), now(), now() + interval '7 days', '203.0.113.9', 'bench'
  FROM auth.credentials WHERE email_canonical LIKE '%@' || $1
"""
_API_KEYS = """
INSERT INTO auth.api_keys (id, user_id, name, scopes, prefix, digest, created_at)
SELECT uuidv7(), user_id, 'bench', '{}', 'bench-' || user_id, sha256(user_id::text::bytea), now()
  FROM auth.credentials WHERE email_canonical LIKE '%@' || $1
"""


def email_of(number: int) -> str:
    """Returns the address of a user, who are numbered from 1."""
    return f"p{number}@{_DOMAIN}"


def populate(database: Database, users: int) -> None:
    """Adds users, each with an open session and an API key; the planner knows of them afterwards."""
    asyncio.run(_populate(database, users))


def add_audit_entries(database: Database, count: int) -> None:
    """Adds entries at the head of the chain, each with its hash; the services may run meanwhile."""
    asyncio.run(_add_audit_entries(database, count))


def wait_until_signed(database: Database) -> None:
    """Returns when auth-service has walked what was added and signed its head: until then it is busy.

    Raises:
        TimeoutError: it does not in half an hour.
    """
    newest = fetch(database, "SELECT max(sequence) FROM auth.audit_events")[0][0]
    until = time.monotonic() + _SIGNED_WITHIN_SECONDS
    while (fetch(database, "SELECT max(sequence) FROM auth.audit_heads")[0][0] or 0) < newest:
        if time.monotonic() > until:
            raise TimeoutError(f"auth-service has not signed audit entry {newest}: see its log")
        time.sleep(0.5)


def fetch(database: Database, query: str, *arguments: object) -> Any:
    """Returns the rows of one statement, as the database's admin."""

    async def ask() -> Any:
        async with AsyncExitStack() as stack:
            return await (await _connected(database, stack)).fetch(query, *arguments)

    return asyncio.run(ask())


async def _connected(database: Database, stack: AsyncExitStack) -> Any:
    connection = await asyncpg.connect(database.admin_url)
    stack.push_async_callback(connection.close)
    await connection.set_type_codec(
        "jsonb", encoder=_to_jsonb, decoder=_from_jsonb, schema="pg_catalog", format="binary"
    )
    return connection


def _to_jsonb(value: object) -> bytes:
    return b"\x01" + json.dumps(value).encode()


def _from_jsonb(raw: bytes) -> Any:
    return json.loads(raw[1:])


async def _populate(database: Database, users: int) -> None:
    password_hash = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1).hash(PASSWORD)
    async with AsyncExitStack() as stack:
        connection = await _connected(database, stack)
        # To make the index of searches at once takes a fraction of adding to it person by person.
        searches = await connection.fetchval("SELECT pg_get_indexdef('users.users_search'::regclass)")
        await connection.execute("SET maintenance_work_mem = '512MB'; DROP INDEX users.users_search")
        await connection.execute(_USERS, 1, users, _DOMAIN, password_hash)
        await connection.execute(searches)
        async with connection.transaction():
            await connection.execute("SET LOCAL session_replication_role = replica")
            await connection.execute(_SESSIONS, _DOMAIN)
            await connection.execute(_API_KEYS, _DOMAIN)
        for table in ("auth.credentials", "auth.sessions", "auth.api_keys", "users.users"):
            await connection.execute(f"VACUUM ANALYZE {table}")


async def _add_audit_entries(database: Database, count: int) -> None:
    async with AsyncExitStack() as stack:
        connection = await _connected(database, stack)
        users = [row["user_id"] for row in await connection.fetch("SELECT user_id FROM auth.credentials")]
        actors = itertools.cycle(map(str, users))
        for begun in range(0, count, _ENTRIES_AT_ONCE):
            async with connection.transaction():
                # Only one connection at a time appends, as `auth.append_audit_event` does.
                await connection.execute(
                    "SELECT pg_advisory_xact_lock(hashtextextended('auth.audit_events', 0))"
                )
                head = await connection.fetchrow(
                    "SELECT * FROM auth.audit_trail ORDER BY sequence DESC LIMIT 1"
                )
                rows = itertools.islice(_chain(head, actors), min(_ENTRIES_AT_ONCE, count - begun))
                source = io.BytesIO("".join(rows).encode())
                await connection.copy_to_table("audit_events", schema_name="auth", source=source)
        await connection.execute("VACUUM ANALYZE auth.audit_events")


def _chain(head: Any, actors: Iterator[str]) -> Iterator[str]:
    """Yields rows for COPY that follow the head, without an end.

    Entries differ in their ids, actors and request ids, so replacing three texts makes the canonical form of
    one from that of another: ten million are made in minutes.
    """
    last = None if head is None else chained_of(head)
    sequence, previous = (0, GENESIS) if last is None else (last.sequence, last.hash)
    actor = uuid7()
    first = AuditEntry(
        occurred_at=datetime.now(UTC),
        action="auth.login",
        outcome="success",
        actor_id=actor,
        subject_id=actor,
        ip="203.0.113.9",
        user_agent="bench",
        request_id="bench-request",
        details={"session_id": str(actor)},
    )
    first_texts = (str(first.id), str(actor), first.request_id)
    form = canonical_form(first).decode()
    row = (
        f"{first_texts[0]}\t{first.occurred_at.isoformat()}\t{actor}\t{actor}\t{first.action}\t{first.outcome}"
        f"\t{first.ip}\t{first.user_agent}\t{first.request_id}\t{json.dumps(dict(first.details))}"
    )
    for actor_id in actors:
        sequence += 1
        texts = (str(uuid7()), actor_id, f"bench-{sequence}")
        own_form, own_row = form, row
        for before, after in zip(first_texts, texts, strict=True):
            own_form, own_row = own_form.replace(before, after), own_row.replace(before, after)
        previous = hashlib.sha256(previous + sequence.to_bytes(8, "big") + own_form.encode()).digest()
        yield f"{sequence}\t{own_row}\t\\\\x{previous.hex()}\n"
