"""What mails and verified addresses promise."""

from datetime import timedelta
from uuid import UUID

from auth_service.domain.mail import Mail, MailKind
from auth_service.domain.unit_of_work import UnitOfWork, UnitsOfWork
from chassis.ids import uuid7

from tests.auth_service.adapters.postgres.builders import MINUTE, a_registration, a_user, admitted

RESET, PROOF = MailKind.PASSWORD_RESET, MailKind.EMAIL_VERIFICATION
HOUR = timedelta(hours=1)


async def test_a_mail_is_claimed_by_one_until_the_lease_is_over(units: UnitsOfWork) -> None:
    """The oldest first; a lease in the past leaves it to any process."""
    user_id = uuid7()
    async with units.transaction() as unit:
        await unit.mails.queue(RESET, user_id)
        await unit.mails.queue(PROOF, user_id)
        assert await unit.mails.waiting(user_id) == [RESET, PROOF]

    async with units.statements() as unit:
        first, second = await unit.mails.claim(MINUTE), await unit.mails.claim(-MINUTE)
        assert first is not None
        assert second is not None
        assert [(first.kind, first.attempts), (second.kind, second.attempts)] == [(RESET, 1), (PROOF, 1)]
        assert first.user_id == user_id
        again = await unit.mails.claim(MINUTE)
        assert again is not None
        assert (again.id, again.attempts) == (second.id, 2)
        assert await unit.mails.claim(MINUTE) is None

        await unit.mails.delay(first.id, -MINUTE)
        await unit.mails.remove(second.id)
        third = await unit.mails.claim(MINUTE)
        assert third is not None
        assert third.id == first.id
        assert await unit.mails.claim(MINUTE) is None


async def test_a_newer_mail_of_the_kind_supersedes(units: UnitsOfWork) -> None:
    """Not one of another kind, nor another user's."""
    user_id = uuid7()
    for kind, whose in ((RESET, user_id), (PROOF, user_id), (RESET, uuid7()), (RESET, user_id)):
        async with units.transaction() as unit:
            await unit.mails.queue(kind, whose)

    async with units.statements() as unit:
        claimed = [await unit.mails.claim(MINUTE) for _ in range(4)]
    assert [mail and mail.superseded for mail in claimed] == [True, False, False, False]


async def test_a_token_counts_until_it_is_spent(units: UnitsOfWork) -> None:
    """Once."""
    async with units.transaction() as unit:
        user_id = await _mailed(unit, b"digest")

        known = await unit.mails.token(b"digest")
        assert known is not None
        assert (known.user_id, known.kind, known.is_expired) == (user_id, RESET, False)
        assert await unit.mails.spend(b"digest")
        assert not await unit.mails.spend(b"digest")
        assert await unit.mails.token(b"digest") is None


async def test_an_expired_token_is_known_and_not_spent(units: UnitsOfWork) -> None:
    """So that its error differs from that of a wrong one."""
    async with units.transaction() as unit:
        await _mailed(unit, b"digest", lifetime=-HOUR)

        known = await unit.mails.token(b"digest")
        assert known is not None
        assert known.is_expired
        assert not await unit.mails.spend(b"digest")


async def test_a_token_lives_until_a_later_mail_is_delivered(units: UnitsOfWork) -> None:
    """Not until it is issued, nor when it is refused; other kinds keep theirs."""
    async with units.transaction() as unit:
        user_id = (await admitted(unit)).user_id
        mails = await _issued(unit, user_id, (RESET, b"older"), (PROOF, b"other"), (RESET, b"newer"))
        refused, *_ = await _issued(unit, user_id, (RESET, b"refused"))
        await unit.mails.note_refused(refused)
        assert await _known(unit, b"older", b"newer", b"refused") == [True, True, False]

        await unit.mails.note_delivered(mails[2])

        assert await _known(unit, b"older", b"newer") == [False, True]
        assert await _known(unit, b"other") == [True]
        assert await unit.mails.waiting(user_id) == [PROOF]
        assert not await unit.mails.issue(mails[0], b"late", HOUR)


async def test_an_earlier_mail_delivered_late_ends_nothing(units: UnitsOfWork) -> None:
    """The one asked for last counts, whatever the order of delivery."""
    async with units.transaction() as unit:
        user_id = (await admitted(unit)).user_id
        first, second = await _issued(unit, user_id, (RESET, b"first"), (RESET, b"second"))

        await unit.mails.note_delivered(second)
        await unit.mails.note_delivered(first)

        assert await _known(unit, b"first", b"second") == [False, True]
        assert await unit.mails.spend(b"second")


async def test_what_is_withdrawn_is_gone(units: UnitsOfWork) -> None:
    """Waiting mails, those on their way, and tokens; of the kinds that were named."""
    async with units.transaction() as unit:
        user_id = await _mailed(unit, b"reset")
        await unit.mails.queue(RESET, user_id)
        claimed = await unit.mails.claim(MINUTE)
        assert claimed is not None
        await unit.mails.queue(PROOF, user_id)

        await unit.mails.withdraw(user_id, RESET)

        assert not await unit.mails.issue(claimed, b"late", HOUR)
        assert await unit.mails.token(b"reset") is None
        assert await unit.mails.waiting(user_id) == [PROOF]
        await unit.mails.withdraw(user_id, *MailKind)
        assert not await unit.mails.waiting(user_id)


async def test_erasing_takes_tokens_along(units: UnitsOfWork) -> None:
    """They hang on the credential."""
    async with units.transaction() as unit:
        user_id = await _mailed(unit, b"digest")
        await unit.credentials.erase(user_id)

        assert await unit.mails.token(b"digest") is None


async def test_an_address_is_verified_until_it_changes(units: UnitsOfWork) -> None:
    """Anything else may change."""
    registration = a_registration("Ada@example.com")
    async with units.transaction() as unit:
        await unit.credentials.add_pending(registration, "hash")
        user_id = registration.user_id
        assert await unit.emails.verified(user_id) is None
        await unit.credentials.copy(a_user(registration, "Ada@example.com"), 1)

        assert await unit.emails.verify(user_id)
        assert not await unit.emails.verify(user_id)
        await unit.credentials.copy(a_user(registration, "Ada@example.com"), 2)
        assert await unit.emails.verified(user_id) == "Ada@example.com"
        await unit.credentials.copy(a_user(registration, "ada@example.com"), 3)
        assert await unit.emails.verified(user_id) is None
        assert not await unit.emails.verify(uuid7())


async def _issued(unit: UnitOfWork, user_id: UUID, *tokens: tuple[MailKind, bytes]) -> list[Mail]:
    """Queues mails and issues their tokens, as when they are about to go out."""
    issued = []
    for kind, digest in tokens:
        await unit.mails.queue(kind, user_id)
        mail = await unit.mails.claim(MINUTE)
        assert mail is not None
        assert await unit.mails.issue(mail, digest, HOUR)
        issued.append(mail)
    return issued


async def _known(unit: UnitOfWork, *digests: bytes) -> list[bool]:
    return [await unit.mails.token(digest) is not None for digest in digests]


async def _mailed(unit: UnitOfWork, digest: bytes, lifetime: timedelta = HOUR) -> UUID:
    credential = await admitted(unit)
    await unit.mails.queue(RESET, credential.user_id)
    mail = await unit.mails.claim(MINUTE)
    assert mail is not None
    assert await unit.mails.issue(mail, digest, lifetime)
    await unit.mails.remove(mail.id)
    return credential.user_id
