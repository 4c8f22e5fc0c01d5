"""What the issuer says of itself."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IssuerMetadata:
    """OpenID Connect Discovery 1.0, as far as it applies."""

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


@dataclass(frozen=True, slots=True)
class GetOpenidConfiguration:
    """Returns the issuer's metadata."""

    issuer: str

    async def __call__(self) -> IssuerMetadata:
        """Returns it."""
        return IssuerMetadata(issuer=self.issuer, jwks_uri=self.issuer.rstrip("/") + "/.well-known/jwks.json")
