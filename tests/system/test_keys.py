"""The public keys: all that is needed to verify tokens offline."""

import jwt

from tests.system.client import Client, User


def test_key_set(client: Client) -> None:
    """The key set has public P-256 keys for ES256, and no part of a private key."""
    answer = client.get("/.well-known/jwks.json")

    assert answer.status == 200
    assert "public" in answer.headers["cache-control"]
    assert "max-age=" in answer.headers["cache-control"]
    assert answer.body["keys"]
    for key in answer.body["keys"]:
        assert {"kty", "crv", "x", "y", "kid", "use", "alg"} == set(key)
        assert tuple(key[name] for name in ("kty", "crv", "use", "alg")) == ("EC", "P-256", "sig", "ES256")


def test_token_verifies_by_the_key_set_alone(client: Client, ada: User) -> None:
    """A token is verified with what the two pages publish."""
    metadata = client.get("/.well-known/openid-configuration").body
    keys = client.get("/" + metadata["jwks_uri"].split("/", 3)[3]).body
    header = jwt.get_unverified_header(ada.access_token)
    key = jwt.PyJWKSet.from_dict(keys)[header["kid"]]
    claims = jwt.decode(
        ada.access_token, key, algorithms=["ES256"], audience="vestibule", issuer=metadata["issuer"]
    )

    assert ada.id == claims["sub"]


def test_issuer_metadata(client: Client) -> None:
    """The metadata has what OpenID Connect Discovery requires of an issuer."""
    answer = client.get("/.well-known/openid-configuration")

    assert answer.body["jwks_uri"] == f"{answer.body['issuer']}/.well-known/jwks.json"
    assert answer.body["id_token_signing_alg_values_supported"] == ["ES256"]
    assert {"iss", "aud", "sub", "sid", "role", "iat", "exp", "jti"} <= set(answer.body["claims_supported"])
