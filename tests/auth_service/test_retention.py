"""What is deleted with time, on a real Postgres."""

from uuid import UUID

from auth_service.adapters.postgres.unit_of_work import PostgresUnitsOfWork
from chassis.postgres.pool import Pool

from tests.auth_service.service import Service

_SESSIONS = """
    INSERT INTO auth.sessions
           (id, user_id, rotated_at, created_at, last_used_at, expires_at, ended_at, ip, user_agent)
    SELECT gen_random_uuid(), $1, now(), now(), now(),
           now() + $2::text::interval, now() + $3::text::interval, '', ''
      FROM generate_series(1, $4)
"""


async def test_only_what_has_served_its_time_goes(service: Service, pool: Pool) -> None:
    """Sessions after a month, revocations with their last token, wrong passwords with their block."""
    user_id = UUID(await service.register())
    for expires, ended, count in (
        ("-31 days", None, 2),
        ("-29 days", None, 3),
        ("1 day", "-31 days", 4),
        ("1 day", "-29 days", 5),
        ("1 day", None, 6),
    ):
        await pool.execute(_SESSIONS, user_id, expires, ended, count)
    for expires in ("-1 second", "1 minute"):
        await pool.execute(
            "INSERT INTO auth.revocations (user_id, issued_until, expires_at)"
            " VALUES ($1, now(), now() + $2::text::interval)",
            user_id,
            expires,
        )
    for account, age, block in (
        (b"a", "1 hour", None),
        (b"b", "1 minute", None),
        (b"c", "16 minutes", "1 minute"),
    ):
        await pool.execute(
            "INSERT INTO auth.sign_in_failures (account, client, failed_at, blocked_until, updated_at)"
            " VALUES ($1, '', '{}', now() + $3::text::interval, now() - $2::text::interval)",
            account,
            age,
            block,
        )

    deleted = await service.use_cases.purge_expired()

    assert deleted == 2 + 4 + 1 + 1
    assert await service.count("sessions") == 3 + 5 + 6
    assert await service.count("revocations") == 1
    left = await pool.fetch("SELECT account FROM auth.sign_in_failures")
    assert {row["account"] for row in left} == {b"b", b"c"}


async def test_api_keys_go_a_month_after_their_end(service: Service, pool: Pool) -> None:
    """Revoked or expired; who has no end stays."""
    user_id = UUID(await service.register())
    ends = [("-31 days", None), ("1 day", "-31 days"), (None, "-31 days"), ("-29 days", "-29 days")]
    for number, (expires, revoked) in enumerate([*ends, (None, None)]):
        await pool.execute(
            "INSERT INTO auth.api_keys (id, user_id, name, scopes, prefix, digest, created_at, expires_at,"
            " revoked_at) VALUES (gen_random_uuid(), $1, '', '{}', $2, '', now(),"
            " now() + $3::text::interval, now() + $4::text::interval)",
            user_id,
            str(number),
            expires,
            revoked,
        )

    assert await service.use_cases.purge_expired() == 3
    assert await service.count("api_keys") == 2


async def test_whatever_the_number(service: Service, pool: Pool) -> None:
    """Batch after batch, until nothing is left; two may do it at once."""
    user_id = UUID(await service.register())
    await pool.execute(_SESSIONS, user_id, "-31 days", None, 1_200)

    assert await service.use_cases.purge_expired() == 1_200


async def test_a_locked_row_is_left_for_the_next_time(service: Service, pool: Pool) -> None:
    """The job does not wait for locks."""
    user_id = UUID(await service.register())
    await pool.execute(_SESSIONS, user_id, "-31 days", None, 2)
    async with pool.transaction() as other:
        await other.execute("SELECT FROM auth.sessions LIMIT 1 FOR UPDATE")

        async with PostgresUnitsOfWork(pool).statements() as unit:
            assert await unit.retention.purge(10) == 1

    assert await service.use_cases.purge_expired() == 1


async def test_challenges(service: Service, pool: Pool) -> None:
    """Those of a second step are reported as expired for as long again; those of passkeys are deleted."""
    user_id = UUID(await service.register())
    for digest, age in ((b"open", "-1 minute"), (b"late", "4 minutes"), (b"gone", "6 minutes")):
        await pool.execute(
            "INSERT INTO auth.mfa_challenges (digest, user_id, password_hash, expires_at)"
            " VALUES ($1, $2, '', now() - $3::text::interval)",
            digest,
            user_id,
            age,
        )
        await pool.execute(
            "INSERT INTO auth.passkey_challenges (digest, ceremony, expires_at)"
            " VALUES ($1, 'sign_in', now() - $2::text::interval)",
            digest,
            age,
        )

    assert await service.use_cases.purge_expired() == 1 + 2
    assert (await service.count("mfa_challenges"), await service.count("passkey_challenges")) == (2, 1)
