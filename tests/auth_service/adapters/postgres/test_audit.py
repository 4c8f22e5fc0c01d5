"""What the login throttle, the audit chain, signing keys and the outbox promise."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from auth_service.domain.audit import AuditEntry, AuditFilter, audited, chain_hash
from auth_service.domain.audit_head import ChainWalk
from auth_service.domain.events import CopyOutdated, RegistrationStarted, SignedIn, TokensRevoked
from auth_service.domain.login_throttle import ThrottleKey
from auth_service.domain.signing_key import RetiredKey, SigningKey
from auth_service.domain.unit_of_work import UnitsOfWork
from chassis.identity.caller import Caller
from chassis.ids import uuid7

from tests.auth_service.adapters.postgres.builders import LONG_AGO, MINUTE, admitted


async def test_five_failures_block_the_client(units: UnitsOfWork) -> None:
    """Not another client, not another account; all of them count for the account."""
    key, elsewhere, other = (
        ThrottleKey(b"ada", b"here"),
        ThrottleKey(b"ada", b"elsewhere"),
        ThrottleKey(b"bob", b"here"),
    )
    records = []
    for _ in range(5):
        async with units.transaction() as unit:
            records.append(await unit.login_throttle.count_failure(key))

    async with units.transaction() as unit:
        throttle = unit.login_throttle
        assert [record.failures for record in records] == [1, 2, 3, 4, 5]
        assert [record.blocked_for is None for record in records] == [True] * 4 + [False]
        record = await throttle.state(key)
        assert record.blocked_for is not None
        assert timedelta(minutes=14) < record.blocked_for <= timedelta(minutes=15)
        from_elsewhere = await throttle.state(elsewhere)
        assert (from_elsewhere.blocked_for, from_elsewhere.failures) == (None, 5)
        assert (await throttle.state(other)).failures == 0


async def test_a_blocked_client_is_not_reset(units: UnitsOfWork) -> None:
    """A block runs its time, unless the account is erased."""
    key, blocked = ThrottleKey(b"ada", b"here"), ThrottleKey(b"ada", b"elsewhere")
    async with units.transaction() as unit:
        throttle = unit.login_throttle
        await throttle.count_failure(key)
        for _ in range(5):
            await throttle.count_failure(blocked)

        await throttle.reset(key)
        await throttle.reset(blocked)

        assert (await throttle.state(key)).failures == 5
        await throttle.erase(b"ada")
        assert (await throttle.state(blocked)).failures == 0


async def test_the_chain_follows(units: UnitsOfWork) -> None:
    """Each hash from the one before, each id once."""
    entries = [_entry("auth.login"), _entry("auth.logout"), _entry("auth.login")]
    async with units.transaction() as unit:
        for entry in [*entries, entries[0]]:
            await unit.audit.append(entry)

        chain = await unit.audit.after(0, 10)
        assert [chained.entry for chained in chain] == entries
        assert [chained.sequence for chained in chain] == [1, 2, 3]
        previous = bytes(32)
        for chained in chain:
            assert chained.hash == chain_hash(previous, chained.sequence, chained.entry)
            previous = chained.hash
        assert [chained.sequence for chained in await unit.audit.after(1, 1)] == [2]


async def test_the_trail_is_filtered_and_paged(units: UnitsOfWork) -> None:
    """The newest first."""
    login = _entry("auth.login", details={"a": "\u00e9"})
    logout, later = _entry("auth.logout"), _entry("auth.login", at=LONG_AGO + MINUTE)
    async with units.transaction() as unit:
        assert await unit.audit.count(AuditFilter()) == 0
        for entry in (login, logout, later):
            await unit.audit.append(entry)
        audit = unit.audit
        assert await audit.count(AuditFilter()) == 3

        async def found(wanted: AuditFilter, **where: int) -> list[AuditEntry]:
            page = await audit.page(wanted, limit=where.pop("limit", 10), **where)
            return [chained.entry for chained in page]

        assert await found(AuditFilter()) == [later, logout, login]
        assert await found(AuditFilter(), limit=1, offset=1) == [logout]
        assert await found(AuditFilter(), below=3) == [logout, login]
        assert await found(AuditFilter(action="auth.login")) == [later, login]
        assert await found(AuditFilter(actor_id=login.actor_id)) == [login]
        assert await found(AuditFilter(subject_id=logout.subject_id)) == [logout]
        assert await found(AuditFilter(since=LONG_AGO + MINUTE)) == [later]
        assert await found(AuditFilter(until=LONG_AGO + MINUTE)) == [logout, login]
        assert await audit.count(AuditFilter(action="auth.login")) == 2


async def test_clients_are_erased_with_their_user(units: UnitsOfWork) -> None:
    """Of what a user did, and of what was tried with their account; another user's stays."""
    async with units.transaction() as unit:
        ada, bob = await admitted(unit), await admitted(unit, "bob@example.com")
        for actor_id, subject_id in (
            (ada.user_id, ada.user_id),
            (None, ada.user_id),
            (ada.user_id, bob.user_id),
            (bob.user_id, ada.user_id),
            (None, None),
        ):
            await unit.audit.append(_from_somewhere(actor_id, subject_id))
        before = [_client(chained.entry) for chained in await unit.audit.after(0, 10)]

    async with units.transaction() as unit:
        await unit.credentials.erase(ada.user_id)
    async with units.transaction() as unit:
        # An entry about a user who is erased by then.
        await unit.audit.append(_from_somewhere(ada.user_id, ada.user_id))
        chain = await unit.audit.after(0, 10)

    whole = ("192.0.2.1", "Canary/1.0", "canary")
    assert before == [whole] * 5
    erased = ("", "", "")
    assert [_client(chained.entry) for chained in chain] == [erased, erased, erased, whole, whole, erased]
    assert [bool(chained.entry.commitment) for chained in chain] == [True] * 6
    walk = ChainWalk()
    for chained in chain:
        walk.step(chained)
    assert walk.problem is None


async def test_an_id_that_is_there_keeps_its_client(units: UnitsOfWork) -> None:
    """Delivered twice, with another salt: the first one stands."""
    entry = _from_somewhere(None, None)
    async with units.transaction() as unit:
        await unit.audit.append(entry)
        await unit.audit.append(_from_somewhere(None, None))
        await unit.audit.append(entry)
        chain = await unit.audit.after(0, 10)

    assert len(chain) == 2
    assert all(chained.entry.is_client_true for chained in chain)


async def test_signing_keys_come_back_in_order(units: UnitsOfWork) -> None:
    """The oldest first, sealed as they were."""
    keys = [
        SigningKey(
            kid=kid,
            x="x",
            y="y",
            sealed_private_key=b"\0sealed",
            published_at=LONG_AGO,
            active_from=LONG_AGO + wait,
            removed_from=LONG_AGO + 3 * MINUTE if wait else None,
        )
        for kid, wait in (("newer", MINUTE), ("older", timedelta(0)))
    ]
    async with units.transaction() as unit:
        await unit.signing_keys.lock()
        for key in keys:
            await unit.signing_keys.add(key)

        assert list(await unit.signing_keys.all()) == keys[::-1]


async def test_a_retired_key_keeps_its_public_half_alone(units: UnitsOfWork) -> None:
    """What signed is gone, what verifies stays."""
    key = SigningKey(
        kid="old", x="x", y="y", sealed_private_key=b"sealed", published_at=LONG_AGO, active_from=LONG_AGO
    )
    end = LONG_AGO + 3 * MINUTE
    over = RetiredKey(
        kid="old",
        x="x",
        y="y",
        attestation=b"ours",
        published_at=LONG_AGO,
        active_from=LONG_AGO,
        removed_from=end,
    )
    async with units.transaction() as unit:
        await unit.signing_keys.add(key)
        await unit.signing_keys.end(replace(key, removed_from=end))
        assert list(await unit.signing_keys.all()) == [replace(key, removed_from=end)]

        await unit.signing_keys.retire(over)

        assert list(await unit.signing_keys.all()) == []
        assert list(await unit.signing_keys.retired()) == [over]


async def test_every_event_can_be_written(units: UnitsOfWork) -> None:
    """In the transaction of its change."""
    async with units.transaction() as unit:
        ada = await admitted(unit)
        revocation = await unit.revocations.of_user(ada.user_id)
        for event in (
            RegistrationStarted(ada.user_id),
            SignedIn(ada.user_id, LONG_AGO),
            TokensRevoked(revocation),
            CopyOutdated(ada.user_id),
        ):
            await unit.outbox.append(event)


def _from_somewhere(actor_id: UUID | None, subject_id: UUID | None) -> AuditEntry:
    return AuditEntry(
        occurred_at=LONG_AGO,
        action="a",
        outcome="success",
        actor_id=actor_id,
        subject_id=subject_id,
        ip="192.0.2.1",
        user_agent="Canary/1.0",
        request_id="canary",
    )


def _client(entry: AuditEntry) -> tuple[str, str, str]:
    return entry.ip, entry.user_agent, entry.request_id


def _entry(action: str, *, at: datetime = LONG_AGO, details: dict[str, str] | None = None) -> AuditEntry:
    return AuditEntry(
        occurred_at=at,
        action=action,
        outcome="success",
        actor_id=uuid7(),
        subject_id=uuid7(),
        request_id=str(uuid7()),
        details=details or {},
    )


async def test_a_guess_is_counted_before_it_is_made(units: UnitsOfWork) -> None:
    """No more than five, until one is taken back or the client is forgiven."""
    key, elsewhere = ThrottleKey(b"eve", b"client"), ThrottleKey(b"eve", b"elsewhere")
    async with units.transaction() as unit:
        throttle = unit.login_throttle
        counted = [await throttle.reserve(key) for _ in range(6)]
        assert [each.counted_at is not None for each in counted] == [True] * 5 + [False]
        assert [each.failures for each in counted] == [0, 1, 2, 3, 4, 5]
        assert counted[5].blocked_for is None, "none of them is known to be wrong yet"
        assert (await throttle.reserve(elsewhere)).failures == 5

        assert counted[4].counted_at is not None
        await throttle.release(key, counted[4].counted_at)
        await throttle.confirm_failure(key)
        again = await throttle.reserve(key)
        assert again.counted_at is not None

        await throttle.confirm_failure(key)
        blocked = await throttle.reserve(key)
        assert blocked.counted_at is None
        assert blocked.blocked_for is not None
        await throttle.erase(b"eve")
        assert (await throttle.reserve(key)).is_first


async def test_refusals_that_concern_no_user_are_not_audited(units: UnitsOfWork) -> None:
    """Any client can cause thousands; those that concern a user are, and so is what succeeded."""
    user_id = uuid7()
    async with units.transaction() as unit:
        for outcome, subject_id in (("refused", None), ("refused", user_id), ("success", None)):
            await unit.audit.append(
                audited(Caller(), datetime.now(UTC), "auth.tried", outcome, subject_id=subject_id)
            )
        chained = await unit.audit.page(AuditFilter(action="auth.tried"), limit=10)

    assert [(row.entry.outcome, row.entry.subject_id) for row in reversed(chained)] == [
        ("refused", user_id),
        ("success", None),
    ]
