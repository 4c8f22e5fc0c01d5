"""Importing users of another system."""

import asyncio
import hashlib
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import field, replace
from uuid import UUID

from chassis.clock import Clock
from chassis.component import Component
from chassis.dataclass import dataclass
from chassis.email_address import canonical_email
from chassis.errors import Unavailable
from chassis.identity.caller import Caller
from chassis.identity.role import Role

from auth_service.domain.audit import audited
from auth_service.domain.credential import Registration
from auth_service.domain.password import PasswordHasher
from auth_service.domain.unit_of_work import UnitsOfWork
from auth_service.domain.user_import import (
    BATCH,
    Admission,
    ImportDirectory,
    ImportedAccount,
    ImportFile,
    ImportIds,
    ImportProgress,
    ImportRow,
    ImportSecrets,
    Presence,
    RefusedRow,
)

TAKEN = "email: another account has this address"
ERASED = "the user was erased after an earlier import, and is not imported again"
OPERATOR = Caller(service="auth-service")
PAUSE_SECONDS = 1.0
_ATTEMPTS = 5
_UNGUESSABLE_BYTES = 32


@dataclass(slots=True, kw_only=True)
class ImportTotals:
    """How many rows there are of which kind.

    Attributes:
        rows: All of them.
        new: To be imported, or imported.
        known: Imported before.
        admins: Admins among the new ones.
        refused: Lines that are not imported.
    """

    rows: int = 0
    new: int = 0
    known: int = 0
    admins: int = 0
    refused: set[int] = field(default_factory=set)


class ImportUsers(Component):
    """Checks a file of users as a whole, then imports it in batches.

    A batch is stored as pending credentials, then created by user-service, then activated; each step is
    idempotent. What a killed import leaves pending is finished by a repeat, or like a registration by
    `FinishStaleRegistrations`.
    """

    units: UnitsOfWork
    directory: ImportDirectory
    hasher: PasswordHasher
    ids: ImportIds
    import_secrets: ImportSecrets
    progress: ImportProgress
    clock: Clock

    async def check(self, file: ImportFile) -> ImportTotals:
        """Returns what importing the file would lead to, and changes nothing.

        Raises:
            Unavailable: Postgres or user-service is unreachable.
        """
        totals = ImportTotals()
        lines: dict[bytes, int] = {}
        for batch in _batches(file.rows()):
            rows = [row for each in batch if (row := self._first(each, lines, totals)) is not None]
            accounts = await self._with_presence(rows, "")
            wanted = self._sort_out(accounts, totals)
            admissions = await self._admit(wanted, check_only=True)
            for account in self._admitted(wanted, admissions, totals):
                _count(account, totals)
            self.progress.advanced("checked", totals.rows)
        return totals

    async def __call__(self, file: ImportFile, checked: ImportTotals) -> ImportTotals:
        """Imports the rows that the check has not refused; returns what became of them.

        Raises:
            Unavailable: Postgres or user-service is unreachable; a repeat goes on where this has ended.
        """
        await self._audit("auth.user_import_started", file, checked)
        # No user knows this password: those without one choose theirs by "forgot password".
        no_password = await self.hasher.hash(secrets.token_urlsafe(_UNGUESSABLE_BYTES))
        totals = ImportTotals(refused=set(checked.refused))
        for batch in _batches(file.rows()):
            totals.rows += len(batch)
            rows = [row for row in batch if isinstance(row, ImportRow) and row.line not in checked.refused]
            accounts = await self._with_presence(rows, no_password)
            for account, presence in accounts:
                if presence is Presence.IMPORTED:
                    self.progress.exists(account.row.line, account.user_id)
            await self._import(self._sort_out(accounts, totals), totals)
            self.progress.advanced("imported", totals.rows)
        await self._audit("auth.user_import_finished", file, totals)
        return totals

    def _first(
        self, row: ImportRow | RefusedRow, lines: dict[bytes, int], totals: ImportTotals
    ) -> ImportRow | None:
        """Returns a row that can be imported, unless a line before has its address."""
        totals.rows += 1
        if isinstance(row, RefusedRow):
            self._refuse(row, totals)
            return None
        address = hashlib.blake2b(canonical_email(row.email).encode(), digest_size=16).digest()
        first = lines.setdefault(address, row.line)
        if first != row.line:
            self._refuse(RefusedRow(row.line, f"email: line {first} has the same address"), totals)
            return None
        return row

    async def _with_presence(
        self, rows: Sequence[ImportRow], no_password: str
    ) -> list[tuple[ImportedAccount, Presence]]:
        async with self.units.statements() as unit:
            found = await unit.imports.presences(
                [(self.ids.of(row), canonical_email(row.email)) for row in rows]
            )
        return [
            (
                ImportedAccount(
                    user_id=user_id,
                    row=row,
                    password_hash=row.password_hash or no_password,
                    sealed_secret=self._sealed(user_id, row.totp_secret),
                ),
                presence,
            )
            for row, (user_id, presence) in zip(rows, found, strict=True)
        ]

    def _sealed(self, user_id: UUID, secret: str | None) -> bytes | None:
        return None if secret is None else self.import_secrets.seal(user_id, secret)

    def _sort_out(
        self, accounts: Sequence[tuple[ImportedAccount, Presence]], totals: ImportTotals
    ) -> list[ImportedAccount]:
        """Returns the accounts that are not imported yet; counts the others."""
        wanted = []
        for account, presence in accounts:
            if presence is Presence.IMPORTED:
                totals.known += 1
            elif presence is Presence.TAKEN:
                self._refuse(RefusedRow(account.row.line, TAKEN), totals)
            else:
                wanted.append(account)
        return wanted

    async def _import(self, wanted: Sequence[ImportedAccount], totals: ImportTotals) -> None:
        if not wanted:
            return
        async with self.units.transaction() as unit:
            added = await unit.imports.add_pending(wanted)
            left = [account for account in wanted if account.user_id not in added]
            # What is left was pending before, or has an address that was taken since the check.
            found = await unit.imports.presences(
                [([account.user_id], canonical_email(account.row.email)) for account in left]
            )
            pending = [
                (_as_pending(account, await unit.credentials.pending(account.user_id)), presence)
                for account, (_, presence) in zip(left, found, strict=True)
            ]
        resumed = self._sort_out(pending, totals)
        stored = [account for account in wanted if account.user_id in added] + resumed
        admissions = await self._admit(stored, check_only=False)
        admitted = self._admitted(stored, admissions, totals)
        finished = await self._finish(stored, admitted)
        for account in admitted:
            if account.user_id in finished:
                _count(account, totals)
            else:
                totals.known += 1
            self.progress.exists(account.row.line, account.user_id)

    async def _admit(self, accounts: Sequence[ImportedAccount], *, check_only: bool) -> Sequence[Admission]:
        if not accounts:
            return ()
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return await self.directory.import_users(accounts, check_only=check_only)
            except Unavailable:
                if attempt == _ATTEMPTS:
                    raise
                await asyncio.sleep(attempt * PAUSE_SECONDS)
        raise AssertionError

    def _admitted(
        self, accounts: Sequence[ImportedAccount], admissions: Sequence[Admission], totals: ImportTotals
    ) -> list[ImportedAccount]:
        admitted = []
        for account, admission in zip(accounts, admissions, strict=True):
            if admission.is_refusal:
                reason = ERASED if admission is Admission.ERASED else TAKEN
                self._refuse(RefusedRow(account.row.line, reason), totals)
            else:
                admitted.append(account)
        return admitted

    async def _finish(
        self, stored: Sequence[ImportedAccount], admitted: Sequence[ImportedAccount]
    ) -> frozenset[UUID]:
        """Returns who became active by this import, and not by another one of the same rows meanwhile."""
        ids = [account.user_id for account in admitted]
        async with self.units.transaction() as unit:
            await unit.imports.drop([each.user_id for each in stored if each.user_id not in set(ids)])
            finished = await unit.imports.activate(ids)
            for admin in _admins(admitted, finished):
                await unit.audit.append(
                    audited(OPERATOR, self.clock.now(), "auth.user_imported", subject_id=admin, role="admin")
                )
        return finished

    def _refuse(self, row: RefusedRow, totals: ImportTotals) -> None:
        totals.refused.add(row.line)
        self.progress.refused(row)

    async def _audit(self, action: str, file: ImportFile, totals: ImportTotals) -> None:
        entry = audited(
            OPERATOR,
            self.clock.now(),
            action,
            file=file.digest,
            rows=str(totals.rows),
            users=str(totals.new),
            admins=str(totals.admins),
            known=str(totals.known),
            refused=str(len(totals.refused)),
        )
        async with self.units.transaction() as unit:
            await unit.audit.append(entry)


def _as_pending(account: ImportedAccount, registration: Registration | None) -> ImportedAccount:
    """Returns an account as an earlier import stored it: its row may say something else by now."""
    if registration is None:
        return account
    stored = replace(
        account.row,
        email=registration.email,
        full_name=registration.full_name,
        role=registration.role,
        is_active=registration.is_active,
        email_verified=registration.email_verified,
    )
    return replace(account, row=stored)


def _admins(accounts: Sequence[ImportedAccount], among: frozenset[UUID]) -> list[UUID]:
    return [each.user_id for each in accounts if each.user_id in among and each.row.role is Role.ADMIN]


def _count(account: ImportedAccount, totals: ImportTotals) -> None:
    totals.new += 1
    totals.admins += account.row.role is Role.ADMIN


def _batches(rows: Iterator[ImportRow | RefusedRow]) -> Iterator[list[ImportRow | RefusedRow]]:
    batch: list[ImportRow | RefusedRow] = []
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
