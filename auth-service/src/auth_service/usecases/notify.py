"""A step of several use cases: notices of what an intruder may have done, with a link that takes it back."""

from uuid import UUID

from auth_service.domain.mail import FORMER_EMAILS_KEPT, MailKind
from auth_service.domain.stores import Stores


async def notify_with_undo(stores: Stores, kind: MailKind, user_id: UUID, email: str | None) -> None:
    """Queues a notice to an address whose link restores it and ends every way in.

    Args:
        stores: In a transaction, the credential locked.
        kind: What is told of, one of `UNDO_TOKENS`.
        user_id: Whose account it is.
        email: The address before the change; None for a user who has none at this moment.
    """
    mail_id = await stores.mails.queue(kind, user_id)
    if email is not None:
        await stores.email_changes.keep_former(mail_id, user_id, email, FORMER_EMAILS_KEPT)
