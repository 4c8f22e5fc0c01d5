"""Sealing and attesting again with the master key of today."""

from uuid import UUID

from chassis.component import Component
from cryptography.exceptions import InvalidTag

from auth_service.adapters.master_key import MasterKey
from auth_service.adapters.totp_secrets import TotpSecrets
from auth_service.domain.errors import MasterKeyMismatch
from auth_service.domain.signing_key import RetiredKey, SigningKey


class MasterKeyFollower(Component):
    """`KeyFollower` by the master key and what is derived from it."""

    master_key: MasterKey
    secrets: TotpSecrets

    @property
    def key_id(self) -> str:
        """Names the master key of today."""
        return self.master_key.key_id

    def signing_key(self, key: SigningKey) -> SigningKey | None:
        """Returns the key sealed again; None when that is not needed.

        Raises:
            MasterKeyMismatch: no accepted key opens it.
        """
        return self.master_key.sealed_again(key)

    def attestation(self, key: RetiredKey) -> bytes | None:
        """Returns another attestation; None when that is not needed."""
        return self.master_key.attested_again(key)

    def authenticator(self, user_id: UUID, sealed_secret: bytes) -> bytes | None:
        """Returns the secret sealed again; None when that is not needed.

        Raises:
            MasterKeyMismatch: no accepted key opens it.
        """
        try:
            return self.secrets.sealed_again(user_id, sealed_secret)
        except InvalidTag as error:
            raise MasterKeyMismatch(
                "neither AUTH_MASTER_KEY nor AUTH_MASTER_KEYS_ACCEPTED opens the authenticator"
                f" of user {user_id}"
            ) from error
