"""Rewrite the canonical form of addresses whose domain is not ASCII: IDNA 2008 tells more apart.

The release before took `straße.example` for `strasse.example`, and its A-labels for a third domain, so
that one mailbox could register twice. Where two people hold one address by now, nothing is changed and
the migration says who they are: give one of them another address, or erase one, and migrate again.
What the release before writes in the meantime, the next release's migration rewrites once more.
"""

from alembic import op
from chassis.email_address import canonical_email
from chassis.startup_errors import StartupError

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    rows = op.get_bind().exec_driver_sql(_NOT_ASCII).all()
    changed = {
        row.user_id: form for row in rows if (form := canonical_email(row.email)) != row.email_canonical
    }
    for user_id, form in changed.items():
        holder = op.get_bind().exec_driver_sql(_HOLDER, (form,)).scalar()
        if holder is not None and holder not in changed:
            raise StartupError(f"two credentials have one e-mail address: {user_id} and {holder}")
    if len(set(changed.values())) < len(changed):
        raise StartupError(f"credentials with one e-mail address are among {sorted(map(str, changed))}")
    # In two steps: one's new form may be another's old one.
    for user_id in changed:
        op.get_bind().exec_driver_sql(_SET, (str(user_id), user_id))
    for user_id, form in changed.items():
        op.get_bind().exec_driver_sql(_SET, (form, user_id))


_NOT_ASCII = "SELECT user_id, email, email_canonical FROM auth.credentials WHERE email ~ '[^ -~]' FOR UPDATE"
_HOLDER = "SELECT user_id FROM auth.credentials WHERE email_canonical = $1"
_SET = "UPDATE auth.credentials SET email_canonical = $1 WHERE user_id = $2"
