"""Access tokens: ES256 JWTs."""

import jwt
from chassis.component import Component
from chassis.ids import uuid7

from auth_service.adapters.key_ring import KeyRing
from auth_service.domain.tokens import AccessGrant, unix_milliseconds


class JwtSigner(Component):
    """Signs with the key that is active now.

    The `jti` is a UUIDv7 whose clock is the time of issue by Postgres, to the millisecond:
    that is what revocations are compared with.
    """

    keys: KeyRing
    issuer: str
    audience: str

    def sign(self, grant: AccessGrant) -> str:
        """Returns a JWT that says what is granted.

        Raises:
            Unavailable: there is no key yet.
        """
        kid, private = self.keys.signing()
        milliseconds = unix_milliseconds(grant.at)
        issued = milliseconds // 1000
        claims: dict[str, str | int | bool | list[str]] = {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": str(grant.user_id),
            "sid": str(grant.session_id),
            "role": grant.role.value,
            "iat": issued,
            "exp": issued + int(grant.lifetime.total_seconds()),
            "jti": str(uuid7(milliseconds)),
            "auth_time": unix_milliseconds(grant.auth_time) // 1000,
            "amr": list(grant.amr),
        }
        if grant.must_enrol:
            claims["enrol"] = True
        return jwt.encode(claims, private, algorithm="ES256", headers={"kid": kid})
