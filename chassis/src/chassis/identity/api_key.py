"""What an API key looks like: `vst_`, twelve characters to find it by, and 256 secret bits.

This module knows nothing of gRPC, so that domains may import it.
"""

import re

MARK = "vst_"
"""How every key begins, so that a key that was published by mistake is found by a search."""

PREFIX_LENGTH = len(MARK) + 12

_SHAPE = re.compile(MARK + r"[a-z2-7]{12}_[0-9a-f]{64}")


def is_api_key(token: str) -> bool:
    """Whether a bearer token means to be an API key, good or not; access tokens begin otherwise."""
    return token.startswith(MARK)


def prefix_of(key: str) -> str | None:
    """Returns how a key begins, which is what people see of it; None when it cannot be a key."""
    return key[:PREFIX_LENGTH] if _SHAPE.fullmatch(key) else None
