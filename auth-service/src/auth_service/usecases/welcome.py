"""A step of two use cases: the first mail to an address, which asks for its proof."""

from auth_service.domain.credential import Credential, Person
from auth_service.domain.mail import MailKind
from auth_service.domain.stores import Stores


async def welcome(stores: Stores, credential: Credential, person: Person) -> None:
    """Queues the mail that a new user, or the owner of a new address, has to answer, if any.

    Args:
        stores: In a transaction, the credential locked.
        credential: As it was before.
        person: As user-service has it now.
    """
    if credential.is_invited:
        await stores.mails.queue(MailKind.INVITATION, person.user_id)
    elif not person.email_verified:
        await stores.mails.queue(MailKind.EMAIL_VERIFICATION, person.user_id)
