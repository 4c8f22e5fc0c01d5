"""Imports that end in the middle: what they leave is finished like registrations."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from auth_service.adapters.hmac_secrets import HmacImportIds
from auth_service.domain.user_import import Admission, ImportedAccount, ImportRow, RefusedRow
from auth_service.usecases import user_import
from auth_service.usecases.user_import import ImportTotals, ImportUsers
from chassis.errors import Unavailable
from chassis.identity.role import Role

from tests.auth_service.local_service import EMAIL, PASSWORD, LocalService

CREATED_AT = datetime(2019, 3, 4, 5, 6, 7, tzinfo=UTC)
IDS = HmacImportIds(b"the key", b"the key before")


class Seal:
    """Seals nothing."""

    def seal(self, user_id: UUID, secret: str) -> bytes:
        """Returns the secret."""
        return secret.encode()


@dataclass
class File:
    """A file in memory."""

    given: Sequence[ImportRow | RefusedRow]
    digest: str = "d1"

    def rows(self) -> Iterator[ImportRow | RefusedRow]:
        """Yields every row."""
        return iter(self.given)


@dataclass
class Directory:
    """user-service, which is there for some calls.

    Attributes:
        answers: What it answers to one call after another; None for none.
    """

    answers: list[Admission | None]
    asked: list[tuple[UUID, bool]] = field(default_factory=list)
    rows: list[ImportRow] = field(default_factory=list)

    async def import_users(
        self, accounts: Sequence[ImportedAccount], *, check_only: bool
    ) -> Sequence[Admission]:
        """Answers the same for every user."""
        self.asked += [(account.user_id, check_only) for account in accounts]
        self.rows += [account.row for account in accounts if not check_only]
        answer = self.answers.pop(0)
        if answer is None:
            raise Unavailable
        return [answer] * len(accounts)


@dataclass
class Progress:
    """Keeps what was refused, and who exists."""

    refusals: list[RefusedRow] = field(default_factory=list)
    existing: dict[int, UUID] = field(default_factory=dict)

    def advanced(self, step: str, rows: int) -> None:
        """Goes on."""

    def exists(self, line: int, user_id: UUID) -> None:
        """Keeps it."""
        self.existing[line] = user_id

    def refused(self, row: RefusedRow) -> None:
        """Keeps it."""
        self.refusals.append(row)


@pytest.fixture(name="no_pause", autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused call is repeated at once."""
    monkeypatch.setattr(user_import, "PAUSE_SECONDS", 0.0)


def a_row(email: str = EMAIL, line: int = 1, **fields: object) -> ImportRow:
    """Returns a row of a user with `PASSWORD`."""
    values: dict[str, object] = {
        "line": line,
        "email": email,
        "full_name": "Ada Lovelace",
        "role": Role.USER,
        "is_active": True,
        "email_verified": False,
        "created_at": CREATED_AT,
        "password_hash": f"0:{PASSWORD}",
        "totp_secret": None,
    }
    return ImportRow(**(values | fields))  # type: ignore[arg-type]


def an_import(service: LocalService, directory: Directory, progress: Progress | None = None) -> ImportUsers:
    """Returns the use case."""
    return ImportUsers(
        service.units, directory, service.hasher, IDS, Seal(), progress or Progress(), service.clock
    )


async def _run(service: LocalService, directory: Directory, *rows: ImportRow) -> Progress:
    progress = Progress()
    run = an_import(service, directory, progress)
    await run(File(rows), await run.check(File(rows)))
    return progress


async def test_what_a_dead_import_leaves_is_finished_without_it(service: LocalService) -> None:
    """user-service is away for good after the credentials were stored: the sweep admits the user."""
    directory = Directory([Admission.CREATED, *[None] * 5])
    with pytest.raises(Unavailable):
        await _run(service, directory, a_row(is_active=True))

    (row,) = await service.database.rows("credentials")
    assert row.is_pending
    registration = await service.accounts.get_registration(user_id=row.user_id)
    assert (registration.joined_at, registration.is_active) == (CREATED_AT, True)
    service.clock.advance(timedelta(minutes=11))
    assert await service.finish_stale_registrations() == 1
    (row,) = await service.database.rows("credentials")
    assert (row.is_pending, row.full_name, row.joined_at) == (False, None, None)
    await service.sign_in()
    assert (await service.send_mails()).sent == []


async def test_two_imports_of_one_file_count_each_user_once(service: LocalService) -> None:
    """The other import finishes all users while this one waits for user-service."""
    file = File([a_row(role=Role.ADMIN)])
    other = an_import(service, Directory([Admission.CREATED]))
    totals: list[ImportTotals] = []

    class Meanwhile(Directory):
        async def import_users(
            self, accounts: Sequence[ImportedAccount], *, check_only: bool
        ) -> Sequence[Admission]:
            totals.append(await other(file, ImportTotals()))
            return await super().import_users(accounts, check_only=check_only)

    progress = Progress()
    totals.append(await an_import(service, Meanwhile([Admission.CREATED]), progress)(file, ImportTotals()))

    assert [(each.new, each.admins, each.known) for each in totals] == [(1, 1, 0), (0, 0, 1)]
    assert list(progress.existing) == [1]
    assert len(await service.database.audited("auth.user_imported")) == 1


async def test_a_repeat_finishes_what_is_pending(service: LocalService) -> None:
    """By the same id, and only once."""
    with pytest.raises(Unavailable):
        await _run(service, Directory([Admission.CREATED, *[None] * 5]), a_row())

    progress = await _run(service, Directory([Admission.CREATED, Admission.EXISTS]), a_row())
    again = await _run(service, Directory([]), a_row())

    (row,) = await service.database.rows("credentials")
    assert not row.is_pending
    assert progress.existing == again.existing == {1: row.user_id}
    actions = [action for action, _ in await service.database.actions()]
    assert actions.count("auth.user_import_started") == 3
    assert actions.count("auth.user_import_finished") == 2


async def test_a_repeat_finishes_what_is_pending_as_it_was(service: LocalService) -> None:
    """The file says something else by now: both services store what it said at first."""
    with pytest.raises(Unavailable):
        await _run(service, Directory([Admission.CREATED, *[None] * 5]), a_row(email_verified=True))
    directory = Directory([Admission.CREATED, Admission.CREATED])
    changed = a_row(
        EMAIL.upper(), full_name="Eve", role=Role.ADMIN, is_active=False, password_hash="0:another"
    )

    await _run(service, directory, changed)

    (sent,) = directory.rows
    assert (sent.email, sent.full_name, sent.role) == (EMAIL, "Ada Lovelace", Role.USER)
    assert (sent.is_active, sent.email_verified) == (True, True)
    (stored,) = await service.database.rows("credentials")
    assert (stored.role, stored.is_active, stored.is_pending) == ("user", True, False)
    assert "auth.user_imported" not in [action for action, _ in await service.database.actions()]


@pytest.mark.parametrize("refusal", [Admission.EMAIL_TAKEN, Admission.ERASED])
async def test_what_user_service_refuses_leaves_nothing(service: LocalService, refusal: Admission) -> None:
    """Also when it would have created the user at the time of the check."""
    progress = await _run(service, Directory([Admission.CREATED, refusal]), a_row())

    assert await service.database.rows("credentials") == []
    assert [row.line for row in progress.refusals] == [1]


async def test_an_address_that_registers_after_the_check_is_refused(service: LocalService) -> None:
    """The account that was first keeps it."""
    progress = Progress()
    run = an_import(service, Directory([Admission.CREATED, Admission.CREATED]), progress)
    rows = File([a_row(), a_row("other@example.com", 2)])
    checked = await run.check(rows)
    user_id = await service.user()

    done = await run(rows, checked)

    assert [(row.line, row.reason) for row in progress.refusals] == [(1, user_import.TAKEN)]
    assert (done.new, done.refused) == (1, {1})
    assert user_id in {row.user_id for row in await service.database.rows("credentials")}


async def test_a_user_is_found_under_the_master_key_before(service: LocalService) -> None:
    """While two keys are accepted, what was imported under the other one is not imported twice."""
    before = ImportUsers(
        service.units,
        Directory([Admission.CREATED, Admission.CREATED]),
        service.hasher,
        HmacImportIds(b"the key before"),
        Seal(),
        Progress(),
        service.clock,
    )
    await before(File([a_row()]), await before.check(File([a_row()])))

    progress = await _run(service, Directory([]), a_row())

    assert list(progress.existing.values()) == [IDS.of(a_row())[1]]
    assert {user_id.version for user_id in IDS.of(a_row())} == {7}
