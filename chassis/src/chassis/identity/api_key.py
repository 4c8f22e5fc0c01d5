"""The format of API keys: `vst_`, twelve characters to look it up by, and 256 secret bits.

This module does not import gRPC, so that domains may import it.
"""

import re

MARK = "vst_"
"""The prefix of every key, by which scanners find leaked keys."""

PREFIX_LENGTH = len(MARK) + 12

_SHAPE = re.compile(MARK + r"[a-z2-7]{12}_[0-9a-f]{64}")


def is_api_key(token: str) -> bool:
    """Whether a bearer token has the prefix of API keys, valid or not."""
    return token.startswith(MARK)


def prefix_of(key: str) -> str | None:
    """Returns the part of a key that is shown to users; None if the key is malformed."""
    return key[:PREFIX_LENGTH] if _SHAPE.fullmatch(key) else None
