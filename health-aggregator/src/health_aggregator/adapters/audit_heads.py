"""Signed heads of the audit chain: fetched from auth-service, and verified with the keys sent along."""

import base64
import binascii
import hashlib
from collections.abc import Sequence

from chassis.grpc.channel import ServiceChannel
from chassis.grpc.timestamps import datetime_of
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from vestibule.auth.v1 import audit_service_pb2
from vestibule.auth.v1.audit_service_pb2_grpc import AuditServiceStub

from health_aggregator.domain.audit_witness import ChainContradicted, HeadKey, SignedHead, statement

AUDIT_SERVICE = audit_service_pb2.DESCRIPTOR.services_by_name["AuditService"]
"""The service, for `open_channel`."""

_NO_KEY = audit_service_pb2.AuditKey()


class GrpcAuditHeadSource:
    """`AuditHeadSource` over gRPC."""

    def __init__(self, channel: ServiceChannel) -> None:
        self._audit = AuditServiceStub(channel)

    async def heads(self, from_sequence: int) -> Sequence[SignedHead]:
        """Returns heads from this sequence number on, in order."""
        request = audit_service_pb2.ListAuditHeadsRequest(from_sequence=from_sequence)
        answer = await self._audit.ListAuditHeads(request)
        if answer.problem:
            raise ChainContradicted(f"the audit is not what was signed: {answer.problem}")
        keys = {key.kid: key for key in answer.keys}
        return [_head(head, keys.get(head.kid, _NO_KEY)) for head in answer.heads]


class EcdsaHeadVerifier:
    """Verifies ECDSA on P-256 with SHA-256.

    auth-service, which is authenticated on the channel, says which keys are its own. A key is stored
    beside its head, so that the signature can be verified later without auth-service.
    """

    def verify(self, head: SignedHead) -> bool:
        """Whether the head's key signed it, and its `kid` is the key's thumbprint."""
        try:
            return head.key.kid == _thumbprint(head.key) and _verified(head)
        except (ValueError, binascii.Error):
            return False


def _verified(head: SignedHead) -> bool:
    x, y = (int.from_bytes(base64.urlsafe_b64decode(part + "==")) for part in (head.key.x, head.key.y))
    key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    try:
        key.verify(head.signature, statement(head), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _thumbprint(key: HeadKey) -> str:
    canonical = f'{{"crv":"P-256","kty":"EC","x":"{key.x}","y":"{key.y}"}}'
    return base64.urlsafe_b64encode(hashlib.sha256(canonical.encode()).digest()).decode().rstrip("=")


def _head(head: audit_service_pb2.SignedAuditHead, key: audit_service_pb2.AuditKey) -> SignedHead:
    return SignedHead(
        sequence=head.sequence,
        hash=head.hash,
        at=datetime_of(head.at),
        key=HeadKey(kid=head.kid, x=key.x, y=key.y),
        signature=head.signature,
    )
