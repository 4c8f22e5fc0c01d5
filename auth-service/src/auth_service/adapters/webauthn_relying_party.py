"""WebAuthn behind `RelyingParty`, by the library `webauthn`.

The library is imported by the first ceremony: with what verifies attestations it takes 6 MB
and a sixth of a second, which a system without passkeys does without.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from chassis.errors import Invalid
from cryptography.hazmat.primitives.asymmetric import ec

from auth_service.domain.passkey import CHALLENGE_LIFETIME, Assertion, NewPasskey, Passkey, Signed

Result = TypeVar("Result")

_CHALLENGE_BYTES = 32
_CREDENTIAL_ID_BYTES_MAX = 1_023
_PUBLIC_KEY_BYTES_MAX = 2_048
_TIMEOUT_MILLISECONDS = int(CHALLENGE_LIFETIME.total_seconds() * 1_000)

_MALFORMED = "is not what the browser's `toJSON()` gives"
_NOT_BELIEVED = "does not answer these options, or is not from an origin of ours"


class WebauthnRelyingParty:
    """Asks for discoverable passkeys that verify their user, and for no attestation of their maker."""

    def __init__(self, *, party_id: str, name: str, origins: Sequence[str]) -> None:
        """Takes who we are.

        Args:
            party_id: The domain that passkeys are bound to, or one above all origins.
            name: What users are shown.
            origins: Where ceremonies may take place.
        """
        self._party_id = party_id
        self._name = name
        self._origins = list(origins)
        self._decoy = _decoy_public_key()

    def challenge(self) -> bytes:
        """Returns 256 random bits."""
        return secrets.token_bytes(_CHALLENGE_BYTES)

    def registration_options(
        self, user_id: UUID, account: str, challenge: bytes, known: Sequence[Passkey]
    ) -> Mapping[str, Any]:
        """Returns what `navigator.credentials.create` takes, as JSON."""
        import webauthn  # noqa: PLC0415
        from webauthn.helpers import structs  # noqa: PLC0415

        options = webauthn.generate_registration_options(
            rp_id=self._party_id,
            rp_name=self._name,
            user_id=user_id.bytes,
            user_name=account,
            challenge=challenge,
            timeout=_TIMEOUT_MILLISECONDS,
            authenticator_selection=structs.AuthenticatorSelectionCriteria(
                resident_key=structs.ResidentKeyRequirement.REQUIRED,
                user_verification=structs.UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[
                structs.PublicKeyCredentialDescriptor(
                    id=each.credential_id,
                    transports=[structs.AuthenticatorTransport(name) for name in each.transports],
                )
                for each in known
            ],
        )
        return webauthn.helpers.options_to_json_dict(options)

    def sign_in_options(self, challenge: bytes) -> Mapping[str, Any]:
        """Returns what `navigator.credentials.get` takes, as JSON."""
        import webauthn  # noqa: PLC0415
        from webauthn.helpers import structs  # noqa: PLC0415

        options = webauthn.generate_authentication_options(
            rp_id=self._party_id,
            challenge=challenge,
            timeout=_TIMEOUT_MILLISECONDS,
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        )
        return webauthn.helpers.options_to_json_dict(options)

    def challenge_in(self, attestation: Mapping[str, Any]) -> bytes:
        """Returns the challenge that an attestation says it answers.

        Raises:
            Invalid: it is none.
        """
        from webauthn import helpers  # noqa: PLC0415

        def read() -> bytes:
            parsed = helpers.parse_registration_credential_json(dict(attestation))
            return helpers.parse_client_data_json(parsed.response.client_data_json).challenge

        return _read(read)

    def attested(self, attestation: Mapping[str, Any], challenge: bytes) -> NewPasskey:
        """Returns the passkey that an attestation is about.

        Raises:
            Invalid: it is of another origin, another party, without the user's consent, or forged.
        """
        import webauthn  # noqa: PLC0415
        from webauthn.helpers.structs import AttestationFormat  # noqa: PLC0415

        parsed = webauthn.helpers.parse_registration_credential_json(dict(attestation))
        verified = _verified(
            lambda: webauthn.verify_registration_response(
                credential=parsed,
                expected_challenge=challenge,
                expected_rp_id=self._party_id,
                expected_origin=self._origins,
                require_user_verification=True,
            )
        )
        # None was asked for: what else comes is the authenticator's word for itself.
        if (
            verified is None
            or verified.fmt not in (AttestationFormat.NONE, AttestationFormat.PACKED)
            or _is_of_a_frame(parsed.response.client_data_json)
        ):
            raise Invalid.on("credential", _NOT_BELIEVED)
        if (
            len(verified.credential_id) > _CREDENTIAL_ID_BYTES_MAX
            or len(verified.credential_public_key) > _PUBLIC_KEY_BYTES_MAX
        ):
            raise Invalid.on("credential", "is larger than a passkey can be")
        return NewPasskey(
            credential_id=verified.credential_id,
            public_key=verified.credential_public_key,
            sign_count=verified.sign_count,
            transports=tuple(transport.value for transport in parsed.response.transports or ()),
            is_backed_up=verified.credential_backed_up,
        )

    def assertion(self, assertion: Mapping[str, Any]) -> Assertion:
        """Returns what an assertion says.

        Raises:
            Invalid: it is none.
        """
        from webauthn import helpers  # noqa: PLC0415

        def read() -> Assertion:
            parsed = helpers.parse_authentication_credential_json(dict(assertion))
            return Assertion(
                credential_id=parsed.raw_id,
                user_handle=parsed.response.user_handle or b"",
                challenge=helpers.parse_client_data_json(parsed.response.client_data_json).challenge,
            )

        return _read(read)

    def signed(
        self, assertion: Mapping[str, Any], challenge: bytes, passkey: Passkey | None
    ) -> Signed | None:
        """Returns what the passkey signed; None when it did not."""
        import webauthn  # noqa: PLC0415

        verified = _verified(
            lambda: webauthn.verify_authentication_response(
                credential=dict(assertion),
                expected_challenge=challenge,
                expected_rp_id=self._party_id,
                expected_origin=self._origins,
                credential_public_key=passkey.public_key if passkey else self._decoy,
                # The domain compares the counter, so that the audit log can name this reason.
                credential_current_sign_count=0,
                require_user_verification=True,
            )
        )
        if verified is None or passkey is None:
            return None
        parsed = webauthn.helpers.parse_authentication_credential_json(dict(assertion))
        if _is_of_a_frame(parsed.response.client_data_json):
            return None
        return Signed(sign_count=verified.new_sign_count, is_backed_up=verified.credential_backed_up)


def _read(read: Callable[[], Result]) -> Result:
    try:
        return read()
    except Exception as error:  # strangers' bytes make the parsers raise anything
        raise Invalid.on("credential", _MALFORMED) from error


def _verified(verify: Callable[[], Result]) -> Result | None:
    try:
        return verify()
    except Exception:  # noqa: BLE001 - the library's errors, and anything from the parsers below it
        return None


def _is_of_a_frame(client_data: bytes) -> bool:
    """Whether a ceremony took place in a frame within a page of another origin, which ours never are."""
    from webauthn import helpers  # noqa: PLC0415

    return bool(helpers.parse_client_data_json(client_data).cross_origin)


def _decoy_public_key() -> bytes:
    """Returns a key in COSE form that verifies nothing: verifying with it costs what a real one does."""
    point = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
    x, y = point.x.to_bytes(32, "big"), point.y.to_bytes(32, "big")
    return b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20" + x + b"\x22\x58\x20" + y
