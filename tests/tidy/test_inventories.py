"""Pages that list all of something, held against the code: tables with their level, actions of the audit."""

import re

from tests.tidy import tree

_LEVELS = {"secret", "personal", "evidence", "internal"}
_AUDITING = ("auth-service/", "user-service/", "knowledge-service/", "voice-service/")


def test_every_table_has_a_level_of_protection() -> None:
    """A new table says what it holds, and how that is protected."""
    page = (tree.ROOT / "docs/data-protection.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+\.\w+)` \| ([\w, ]+) \|", page, re.MULTILINE))

    assert set(rows) == _tables()
    assert {level for levels in rows.values() for level in levels.split(", ")} <= _LEVELS


def test_every_action_of_the_audit_is_listed() -> None:
    """The meaning of each audit entry is documented."""
    page = (tree.ROOT / "docs/logs.md").read_text(encoding="utf-8")
    section = page.split("## What is audited\n")[1]
    listed = set(re.findall(r"`((?:auth|users|knowledge|voice)\.[a-z_]+)`", section))

    assert listed == {
        text
        for source in tree.product()
        if source.path.startswith(_AUDITING)
        for _, text in tree.texts(source)
        if re.fullmatch(r"(auth|users|knowledge|voice)\.[a-z_]+", text)
    }


def test_times_of_replacement_are_set() -> None:
    """What is known to be vulnerable is replaced within a time that is written down."""
    page = (tree.ROOT / "SECURITY.md").read_text(encoding="utf-8")

    assert re.search(r"critical or high[^|]*\| within \d+ days", page)
    assert re.search(r"others[^|]*\| within \d+ days", page)


def _tables() -> set[str]:
    tables: set[str] = set()
    for service in tree.services():
        for migration in sorted((tree.ROOT / service).glob("src/*/migrations/versions/0*.py")):
            text = migration.read_text(encoding="utf-8")
            tables |= set(re.findall(r"CREATE TABLE (\w+\.\w+)", text))
            tables -= set(re.findall(r"DROP TABLE (\w+\.\w+)", text))
    return tables
