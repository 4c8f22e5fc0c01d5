"""Canonical forms that the release before kept, after the upgrade."""

from uuid import UUID

import asyncpg
import pytest
from chassis.email_address import canonical_email
from chassis.ids import uuid7
from chassis.startup_errors import StartupError
from devstack.database import Database

from tests.migrating import migrate_once_more

MIGRATION = "auth_service.migrations.versions.0029_rewrite_canonical_addresses"


async def _keep(database: Database, *users: tuple[str, str]) -> list[UUID]:
    """Keeps credentials by typed address and canonical form."""
    owner = await asyncpg.connect(database.url("auth_owner"))
    ids = [uuid7() for _ in users]
    try:
        for user_id, (email, form) in zip(ids, users, strict=True):
            await owner.execute(
                "INSERT INTO auth.credentials"
                " (user_id, email, email_canonical, password_hash, role, is_pending)"
                " VALUES ($1, $2, $3, '', 'user', false)",
                user_id,
                email,
                form,
            )
    finally:
        await owner.close()
    return ids


async def _forms(database: Database) -> dict[str, str]:
    owner = await asyncpg.connect(database.url("auth_owner"))
    try:
        rows = await owner.fetch("SELECT email, email_canonical FROM auth.credentials")
    finally:
        await owner.close()
    return {row["email"]: row["email_canonical"] for row in rows}


async def test_old_forms_are_rewritten(emptied_database: Database) -> None:
    """Also where one user's new form is what another's was; the rest stays as it is."""
    users = {
        "x@stra\u00dfe.example": "x@strasse.example",
        "x@stra\u00dfe\u00df.example": "x@xn--strae-oqa.example",
        "x@b\u00fccher.example": "x@xn--bcher-kva.example",
        "X@Example.org": "x@example.org",
    }
    await _keep(emptied_database, *users.items())

    await migrate_once_more(emptied_database.url("auth_owner"), MIGRATION)

    assert await _forms(emptied_database) == {email: canonical_email(email) for email in users}


async def test_two_users_with_one_mailbox(emptied_database: Database) -> None:
    """Nothing is changed, and the operator learns who they are: by id, not by address."""
    users = {
        "x@stra\u00dfe.example": "x@strasse.example",
        "x@xn--strae-oqa.example": "x@xn--strae-oqa.example",
    }
    ids = await _keep(emptied_database, *users.items())

    with pytest.raises(StartupError, match=f"{ids[0]} and {ids[1]}") as refusal:
        await migrate_once_more(emptied_database.url("auth_owner"), MIGRATION)

    assert "@" not in str(refusal.value)
    assert await _forms(emptied_database) == users
