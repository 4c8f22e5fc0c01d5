"""The headers that restrict what a browser does with a response."""

from gateway.http.response import Header, Response

_ALWAYS: list[Header] = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
]
_DATA = b"default-src 'none'; frame-ancestors 'none'"
PAGE = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    b" base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""The `Content-Security-Policy` of pages: everything comes from files of this origin, nothing is inline."""

_HSTS: Header = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")


def security_headers(response: Response, *, secure: bool) -> tuple[Header, ...]:
    """Returns the headers for a response; HSTS only if the client used TLS."""
    policy: Header = (b"content-security-policy", response.content_policy or _DATA)
    return (*_ALWAYS, policy, _HSTS) if secure else (*_ALWAYS, policy)
