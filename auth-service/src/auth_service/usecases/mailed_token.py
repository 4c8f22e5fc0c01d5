"""Steps of several use cases: whose token is it, and does it count?"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from chassis.clock import Clock
from chassis.errors import ServiceError, TokenExpired, TokenInvalid
from chassis.identity.caller import Caller

from auth_service.domain.audit import audited
from auth_service.domain.credential import Credential
from auth_service.domain.mail import MailKind, digest
from auth_service.domain.mail_ports import MailTokens
from auth_service.domain.stores import Database, Stores


@dataclass(frozen=True, slots=True)
class MailedToken:
    """Judges tokens of some kinds, and puts refusals on the record.

    Attributes:
        action: What the record calls the use of such a token.
    """

    kinds: Sequence[MailKind]
    action: str
    database: Database
    tokens: MailTokens
    clock: Clock

    async def judge(self, stores: Stores, token: str) -> Credential:
        """Returns the credential that the token is for, locked.

        Raises:
            TokenInvalid: it was never sent, was used, was replaced by a newer one, or was
                sent to another address than the person's.
            TokenExpired: it was not used in time.
        """
        known = await stores.mails.token(digest(token))
        if known is None or known.kind not in self.kinds:
            raise TokenInvalid
        credential = await stores.credentials.lock(known.user_id)
        if credential is None or credential.email is None or credential.is_pending:
            raise TokenInvalid
        ours = self.tokens(known.kind, known.mail_id, known.user_id, credential.email)
        if not hmac.compare_digest(ours.encode(), token.encode()):
            raise TokenInvalid
        if known.is_expired:
            raise TokenExpired
        return credential

    async def spend(self, stores: Stores, token: str) -> None:
        """Uses the token up.

        Raises:
            TokenInvalid: somebody else just did.
        """
        if not await stores.mails.spend(digest(token)):
            raise TokenInvalid

    async def note_refusal(self, refusal: ServiceError, token: str, caller: Caller) -> None:
        """Puts a refusal on the record."""
        async with self.database.transaction() as stores:
            known = await stores.mails.token(digest(token))
            subject_id: UUID | None = known.user_id if known else None
            await stores.audit.append(
                audited(
                    caller,
                    self.clock.now(),
                    self.action,
                    "refused",
                    subject_id=subject_id,
                    reason=refusal.reason,
                )
            )
