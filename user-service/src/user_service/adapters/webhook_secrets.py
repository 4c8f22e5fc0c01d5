"""The secrets of webhooks: sealed under the master key, and signing by the scheme of Standard Webhooks."""

import base64
import hmac
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from chassis.errors import Unavailable
from chassis.sealing import Sealing, derived_key
from cryptography.exceptions import InvalidTag

from user_service.domain.undelivered import NO_MASTER_KEY, OTHER_MASTER_KEY, Undelivered
from user_service.domain.webhook import Webhook

PREFIX = "whsec_"
_SECRET_BYTES = 32


class SealedWebhookSecrets:
    """`WebhookSecrets` under the master key; without one nothing is drawn and nothing signed."""

    def __init__(self, master_keys: Sequence[bytes]) -> None:
        """Takes the master keys, the one that seals first."""
        self._sealing = (
            Sealing(*(derived_key(key, "webhook-secrets") for key in master_keys)) if master_keys else None
        )

    def draw(self, webhook_id: UUID) -> tuple[str, bytes]:
        """Returns a new secret to show, and the same sealed.

        Raises:
            Unavailable: there is no master key.
        """
        if self._sealing is None:
            raise Unavailable
        key = secrets.token_bytes(_SECRET_BYTES)
        return _text(key), self._sealing.seal(key, webhook_id.bytes)

    def reveal(self, webhook: Webhook) -> str:
        """Returns the secret to show, to whom it has not been shown yet.

        Raises:
            Unavailable: no master key opens it.
        """
        try:
            return _text(self._opened(webhook.sealed_secret, webhook.id))
        except Undelivered as error:
            raise Unavailable from error

    def sign(self, webhook: Webhook, message_id: UUID, at: datetime, body: bytes) -> str:
        """Returns the value of `webhook-signature`: one for the secret, one for the former while it counts.

        Raises:
            Undelivered: the secret cannot be opened.
        """
        sealed, until = [webhook.sealed_secret], webhook.former_until
        if webhook.sealed_former is not None and until is not None and at < until:
            sealed.append(webhook.sealed_former)
        signed = f"{message_id}.{int(at.timestamp())}.".encode() + body
        digests = (hmac.digest(self._opened(each, webhook.id), signed, "sha256") for each in sealed)
        return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)

    def sealed_again(self, webhook: Webhook) -> Webhook | None:
        """Returns the webhook sealed under the newest master key; None if it is already, or cannot be."""
        secret = self._sealed_again(webhook.sealed_secret, webhook.id)
        former = self._sealed_again(webhook.sealed_former, webhook.id)
        if secret is None and former is None:
            return None
        return replace(
            webhook,
            sealed_secret=secret or webhook.sealed_secret,
            sealed_former=former or webhook.sealed_former,
        )

    def _sealed_again(self, sealed: bytes | None, webhook_id: UUID) -> bytes | None:
        if self._sealing is None or sealed is None:
            return None
        with suppress(InvalidTag):  # Messages say so: they are not delivered.
            return self._sealing.sealed_again(sealed, webhook_id.bytes)
        return None

    def _opened(self, sealed: bytes, webhook_id: UUID) -> bytes:
        try:
            if self._sealing is not None:
                return self._sealing.open(sealed, webhook_id.bytes)
        except InvalidTag as error:
            raise Undelivered(OTHER_MASTER_KEY) from error
        raise Undelivered(NO_MASTER_KEY)


def _text(key: bytes) -> str:
    return PREFIX + base64.b64encode(key).decode()
