"""`Content-Type` (RFC 9110, 8.3): of requests, where only JSON in UTF-8 is accepted, and of responses."""

import re
from functools import lru_cache

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_TYPE = re.compile(rb"[ \t]*(" + _TOKEN + rb"/" + _TOKEN + rb")[ \t]*(?:;|$)")
_PARAMETER = re.compile(rb"[ \t]*(?:(" + _TOKEN + rb")=(" + _TOKEN + rb'|"(?:[^"\\]|\\.)*"))?[ \t]*(?:;|$)')
_ESCAPED = re.compile(rb"\\(.)")
_PRINTABLE = re.compile(rb"[\x20-\x7e]+")
_LENGTH_MAX = 256
_UTF_8 = frozenset({b"utf-8", b"utf8"})


@lru_cache(maxsize=256)
def is_json(content_type: bytes) -> bool:
    """Returns whether a type is `application/json` in UTF-8.

    Parameters other than the charset are ignored, as are empty ones (`…;`). Another charset, a malformed
    parameter, or two fields (joined by a comma) are refused.

    Args:
        content_type: The field's value.
    """
    if len(content_type) > _LENGTH_MAX:
        return False
    found = _TYPE.match(content_type)
    if found is None or found[1].lower() != b"application/json":
        return False
    at = found.end()
    while at < len(content_type):
        parameter = _PARAMETER.match(content_type, at)
        if parameter is None:
            return False
        if parameter[1] is not None and parameter[1].lower() == b"charset":
            value = parameter[2]
            value = _ESCAPED.sub(rb"\1", value[1:-1]) if value[:1] == b'"' else value
            if value.lower() not in _UTF_8:
                return False
        at = parameter.end()
    return True


def is_media_type(content_type: bytes) -> bool:
    """Returns whether a type is well-formed; with it, no other header can be smuggled into a response."""
    found = _TYPE.match(content_type)
    return found is not None and _PRINTABLE.fullmatch(content_type) is not None
