"""Tokens by which services prove their name to one another."""

import time

import jwt

_AUDIENCE = "vestibule"
_ALGORITHM = "HS256"
_LIFETIME_SECONDS = 60
_MINT_EVERY_SECONDS = 30
_LEEWAY_SECONDS = 30
_KEY_BYTES_MIN = 32
_REMEMBERED_MAX = 1_000


class ServiceTokens:
    """Mints this service's tokens and verifies those of others.

    A token is minted once per half minute and remembered by whoever verified it, so that
    proving a service's name costs a dictionary look-up a call.
    """

    def __init__(self, key: str, service: str) -> None:
        """Takes the key and the name to speak under.

        Args:
            key: The secret that all services share, 32 bytes or more.
            service: This service's name, such as `auth-service`.

        Raises:
            ValueError: the key is too short to be safe.
        """
        if len(key.encode()) < _KEY_BYTES_MIN:
            raise ValueError(f"the service key is shorter than {_KEY_BYTES_MIN} bytes")
        self._key = key
        self._service = service
        self._minted = ""
        self._minted_at = float("-inf")
        self._remembered: dict[str, tuple[str, float]] = {}

    def mint(self) -> str:
        """Returns a token that is good for another half minute at least."""
        now = time.monotonic()
        if now - self._minted_at >= _MINT_EVERY_SECONDS:
            issued = int(time.time())
            payload = {
                "iss": self._service,
                "aud": _AUDIENCE,
                "iat": issued,
                "exp": issued + _LIFETIME_SECONDS,
            }
            self._minted = jwt.encode(payload, self._key, _ALGORITHM)
            self._minted_at = now
        return self._minted

    def verify(self, token: str) -> str | None:
        """Returns the name of the service that minted the token; None when nobody of ours did."""
        remembered = self._remembered.get(token)
        if remembered is not None and time.time() < remembered[1]:
            return remembered[0]
        try:
            payload = jwt.decode(
                token,
                self._key,
                algorithms=[_ALGORITHM],
                audience=_AUDIENCE,
                leeway=_LEEWAY_SECONDS,
                options={"require": ["iss", "aud", "exp", "iat"], "strict_aud": True},
            )
        except (jwt.PyJWTError, ValueError):
            return None
        if len(self._remembered) >= _REMEMBERED_MAX:
            self._remembered.clear()
        name = str(payload["iss"])
        self._remembered[token] = (name, payload["exp"] + _LEEWAY_SECONDS)
        return name
