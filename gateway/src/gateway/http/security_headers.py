"""The headers that restrict what a browser does with a response."""

from gateway.http.response import Header, Response

_ALWAYS: list[Header] = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
_DATA: Header = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
_PAGE: Header = (
    b"content-security-policy",
    # Swagger UI sets styles in attributes; scripts come from files alone.
    (
        b"default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; base-uri 'none';"
        b" form-action 'self'; frame-ancestors 'none'"
    ),
)
_HSTS: Header = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")


_OF_DATA = (*_ALWAYS, _DATA)
_OF_PAGES = (*_ALWAYS, _PAGE)


def security_headers(response: Response, *, secure: bool) -> tuple[Header, ...]:
    """Returns the headers for a response; HSTS only if the client used TLS."""
    headers = _OF_PAGES if response.page else _OF_DATA
    return (*headers, _HSTS) if secure else headers
