"""Failures as pages, in the reader's language.

The gateway has them itself: what fails may be the service that has the other pages. Requests for their style
are not limited, since a client over its limit gets a page, too.
"""

import math
from collections.abc import Mapping
from functools import cache
from html import escape
from http import HTTPStatus
from importlib.resources import files

from chassis.errors import ServiceError
from chassis.pages.catalog import Catalog, preferred, read_catalogs
from chassis.pages.style import base_style

from gateway.http.cookies import cookies
from gateway.http.problems import error_response
from gateway.http.request import Request
from gateway.http.response import Response
from gateway.http.security_headers import PAGE

STYLE_PATH = "/problem.css"
LANGUAGE_COOKIE = "vestibule_language"
"""Has the language that the user chose at the foot of a page."""

_KINDS = {
    HTTPStatus.NOT_FOUND: "missing",
    HTTPStatus.TOO_MANY_REQUESTS: "limited",
    HTTPStatus.SERVICE_UNAVAILABLE: "unavailable",
    HTTPStatus.GATEWAY_TIMEOUT: "unavailable",
}
_LONG_SECONDS = 90
_READS = frozenset({"GET", "HEAD"})
_STYLE = """\
main { max-width: 34rem; margin-top: clamp(2rem, 16vh, 9rem); }
h1 { font-size: clamp(1.5rem, 5vw, 2rem); line-height: 1.2; letter-spacing: -.015em; }
p { margin-top: 1rem; overflow-wrap: anywhere; } .meta { color: var(--faint); font-size: .875rem; }
a { display: inline-block; padding: .4rem 0; margin-right: 1.5rem; }
"""


def failed_response(error: ServiceError, request: Request, *, enveloped: bool) -> Response:
    """Returns the response to a failed request: a page where a browser was led here, otherwise JSON.

    Args:
        error: The failure.
        request: The request.
        enveloped: Whether the route's responses have the envelope.
    """
    response = error_response(error, request_id=request.request_id, enveloped=enveloped)
    if not enveloped and _is_navigation(request):
        chosen = dict(cookies(request.header(b"cookie"))).get(LANGUAGE_COOKIE, "")
        catalog = preferred(_catalogs(), chosen, request.header(b"accept-language"))
        response.body = _page(catalog, response.status, error, request.request_id).encode()
        response.content_type = b"text/html; charset=utf-8"
        response.content_policy = PAGE
    return response


@cache
def problem_style() -> bytes:
    """Returns the style sheet of these pages."""
    return (base_style() + _STYLE).encode()


def _is_navigation(request: Request) -> bool:
    """Whether the answer is shown to a user, as browsers say it; older ones are known by what they accept."""
    if request.method not in _READS:
        return False
    mode = request.header(b"sec-fetch-mode")
    return mode == "navigate" if mode else "text/html" in request.header(b"accept")


@cache
def _catalogs() -> Mapping[str, Catalog]:
    return read_catalogs(files("gateway.languages"))


def _page(t: Catalog, status: int, error: ServiceError, request_id: str) -> str:
    is_fault = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    kind = _KINDS.get(HTTPStatus(status), "failed" if is_fault else "refused")
    seconds = math.ceil(error.retry_after_seconds or 1)
    is_long = seconds > _LONG_SECONDS
    wait = t("minutes", n=math.ceil(seconds / 60)) if is_long else t("seconds", n=max(seconds, 5))
    title = escape(t(f"{kind}.title"))
    retry = "" if kind in ("missing", "refused") else f'<a href="">{escape(t("again"))}</a>'
    number = f'<p class="meta">{escape(t("number", id=request_id))}</p>' if kind == "failed" else ""
    return (
        f'<!doctype html>\n<html lang="{t.language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><title>{title}</title>'
        f'<link rel="stylesheet" href="{STYLE_PATH}"></head>'
        f"<body><main><h1>{title}</h1><p>{escape(t(f'{kind}.lead', wait=wait))}</p>"
        f'<p>{retry}<a href="/">{escape(t("home"))}</a>'
        f'<a href="/status" hreflang="en">{escape(t("status"))}</a></p>'
        f"{number}</main></body></html>\n"
    )
