"""`/.well-known/openid-configuration`: the metadata of this issuer of tokens."""

from chassis.component import Component
from chassis.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class IssuerMetadata:
    """The applicable part of OpenID Connect Discovery 1.0."""

    issuer: str
    jwks_uri: str
    signing_algorithms: tuple[str, ...] = ("ES256",)
    subject_types: tuple[str, ...] = ("public",)
    response_types: tuple[str, ...] = ("token",)
    claims: tuple[str, ...] = (
        "iss",
        "aud",
        "sub",
        "sid",
        "role",
        "iat",
        "exp",
        "jti",
        "auth_time",
        "amr",
    )


class GetOpenidConfiguration(Component):
    """Returns the issuer's metadata."""

    issuer: str

    async def __call__(self) -> IssuerMetadata:
        """Returns it."""
        return IssuerMetadata(issuer=self.issuer, jwks_uri=self.issuer.rstrip("/") + "/.well-known/jwks.json")
