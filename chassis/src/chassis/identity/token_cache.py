"""The cache of verified tokens, by digest: the latest ones as claims, the others packed."""

import struct
from collections import OrderedDict
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from chassis.identity.claims import Claims
from chassis.identity.role import Role

ENTRIES_MAX = 20_000
UNPACKED_MAX = 1_000

Signer = tuple[str, EllipticCurvePublicKey]
"""A key with its `kid`."""

_SIGNERS_MAX = 16
_ROLES = tuple(Role)
_PACKED = struct.Struct(">Q16s16s16sQB?B")
"""Expiry, user, session, token, time of authentication, role, whether it may only enrol, signer."""


class TokenCache:
    """Holds verified tokens in little memory; evicts the oldest.

    An entry takes 700 bytes, most of it for three UUIDs. Those beyond the latest thousand are packed, to 240
    bytes, and cost 9 µs when they are used again. So 20,000 take 5.3 MB.
    """

    def __init__(self, *, entries_max: int = ENTRIES_MAX, unpacked_max: int = UNPACKED_MAX) -> None:
        self._entries_max = entries_max
        self._unpacked_max = unpacked_max
        self._unpacked: OrderedDict[bytes, tuple[Claims, Signer]] = OrderedDict()
        self._packed: OrderedDict[bytes, bytes] = OrderedDict()
        self._signers: list[Signer] = []

    def __len__(self) -> int:
        return len(self._unpacked) + len(self._packed)

    def get(self, digest: bytes) -> tuple[Claims, Signer] | None:
        """Returns a token's claims, expired or not, and who signed it; None if it is not cached."""
        found = self._unpacked.get(digest)
        if found is None and (packed := self._packed.pop(digest, None)) is not None:
            found = self._unpacked[digest] = self._unpack(packed)
            self._pack_oldest()
        return found

    def put(self, digest: bytes, claims: Claims, signer: Signer) -> None:
        """Adds a verified access token."""
        self._unpacked[digest] = claims, self._signers[self._number(signer)]
        self._pack_oldest()
        if len(self) > self._entries_max:
            (self._packed or self._unpacked).popitem(last=False)

    def remove(self, digest: bytes) -> None:
        """Removes a token."""
        self._unpacked.pop(digest, None)
        self._packed.pop(digest, None)

    def remove_expired(self, until: float) -> None:
        """Removes the oldest tokens up to the first one that expires later than a Unix time.

        Tokens come in the order of their issue, but for those that are used late: one that has expired stays
        for as long as a token lives, at most.
        """
        while self._packed and _PACKED.unpack(next(iter(self._packed.values())))[0] <= until:
            self._packed.popitem(last=False)
        while self._unpacked and next(iter(self._unpacked.values()))[0].expires_at <= until:
            self._unpacked.popitem(last=False)

    def _pack_oldest(self) -> None:
        if len(self._unpacked) <= self._unpacked_max:
            return
        digest, (claims, signer) = self._unpacked.popitem(last=False)
        if claims.session_id is None:
            return  # No access token.
        self._packed[digest] = _PACKED.pack(
            int(claims.expires_at),
            claims.user_id.bytes,
            claims.session_id.bytes,
            claims.token_id.bytes,
            claims.auth_time,
            _ROLES.index(claims.role),
            claims.must_enrol,
            self._number(signer),
        )

    def _unpack(self, packed: bytes) -> tuple[Claims, Signer]:
        expires_at, user, session, token, auth_time, role, must_enrol, signer = _PACKED.unpack(packed)
        claims = Claims.of_access_token(
            user_id=UUID(bytes=user),
            role=_ROLES[role],
            session_id=UUID(bytes=session),
            token_id=UUID(bytes=token),
            expires_at=expires_at,
            must_enrol=must_enrol,
            auth_time=auth_time,
        )
        return claims, self._signers[signer]

    def _number(self, signer: Signer) -> int:
        """Returns what stands for a signer in packed entries; they all go if there were too many signers."""
        for number, (_, key) in enumerate(self._signers):
            if key is signer[1]:
                return number
        if len(self._signers) == _SIGNERS_MAX:
            self._packed.clear()
            self._signers.clear()
        self._signers.append(signer)
        return len(self._signers) - 1
