"""Names of accounts and clients in the table of wrong passwords: HMACs, legible to nobody."""

import hashlib
import hmac
from uuid import UUID

from chassis.addresses import counted_as
from chassis.email_address import canonical_email

from auth_service.domain.credential import Credential
from auth_service.domain.login_throttle import GuessKey

_NAME_BYTES = 16


class HmacGuessKeys:
    """Derives both names under a key of their own."""

    def __init__(self, key: bytes, *accepted: bytes) -> None:
        """Takes the keys: names are made with the first, the others made names that tokens are bound to."""
        self._key, self._accepted = key, accepted

    def __call__(self, canonical_email: str, client_address: str) -> GuessKey:
        """Returns the names of an account and a client."""
        return GuessKey(
            account=self._name(b"account\0", canonical_email),
            client=self._name(b"client\0", counted_as(client_address)),
            former_accounts=tuple(_name(key, b"account\0", canonical_email) for key in self._accepted),
        )

    def of(self, credential: Credential, client_address: str) -> GuessKey:
        """Returns the names of a credential's account and a client."""
        account = canonical_email(credential.email) if credential.email else str(credential.user_id)
        return self(account, client_address)

    def of_second_factor(self, user_id: UUID) -> GuessKey:
        """Returns the name under which a person's wrong codes are counted, by whichever client."""
        return GuessKey(account=self._name(b"second factor\0", str(user_id)), client=b"")

    def _name(self, kind: bytes, text: str) -> bytes:
        return _name(self._key, kind, text)


def _name(key: bytes, kind: bytes, text: str) -> bytes:
    return hmac.digest(key, kind + text.encode(), hashlib.sha256)[:_NAME_BYTES]
