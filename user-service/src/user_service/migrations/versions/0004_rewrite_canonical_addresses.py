"""Rewrite the canonical form of addresses whose domain is not ASCII: IDNA 2008 tells more apart.

The release before took `straße.example` for `strasse.example`, and its A-labels for a third domain, so
that one mailbox could register twice. Where two people hold one address by now, nothing is changed and
the migration says who they are: give one of them another address, or erase one, and migrate again.
What the release before writes in the meantime, the next release's migration rewrites once more.
"""

from alembic import op
from chassis.email_address import canonical_email
from chassis.startup_errors import StartupError

from user_service.domain.folding import search_text, sort_key

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    rows = op.get_bind().exec_driver_sql(_NOT_ASCII).all()
    changed = {row.id: row for row in rows if canonical_email(row.email) != row.email_canonical}
    for row in changed.values():
        holder = op.get_bind().exec_driver_sql(_HOLDER, (canonical_email(row.email),)).scalar()
        if holder is not None and holder not in changed:
            raise StartupError(f"two people have one e-mail address: {row.id} and {holder}")
    if len({canonical_email(row.email) for row in changed.values()}) < len(changed):
        raise StartupError(f"people with one e-mail address are among {sorted(map(str, changed))}")
    # In two steps: one's new form may be another's old one.
    for row in changed.values():
        op.get_bind().exec_driver_sql(_SET, (str(row.id), "", row.search_text, row.id))
    for row in rows:
        form = canonical_email(row.email)
        texts = (form, sort_key(form), search_text(row.email, row.full_name))
        op.get_bind().exec_driver_sql(_SET, (*texts, row.id))


_NOT_ASCII = """
SELECT id, email, email_canonical, full_name, search_text
  FROM users.users WHERE email ~ '[^ -~]' FOR UPDATE
"""
_HOLDER = "SELECT id FROM users.users WHERE email_canonical = $1"
_SET = "UPDATE users.users SET email_canonical = $1, email_key = $2, search_text = $3 WHERE id = $4"
