"""The opening handshake of a WebSocket (RFC 6455, 4.2), and the token that browsers send along with it."""

import base64
import hashlib
import re
from collections.abc import Collection

from chassis.errors import Forbidden
from chassis.http.declined_upgrades import UPGRADE_EXTENSION

from gateway.http.origins import is_own
from gateway.http.problems import BadRequest, UpgradeRequired
from gateway.http.request import Request
from gateway.http.response import Header

SUBPROTOCOL = b"vestibule.v1"

_BEARER = b"bearer."
_VERSION = b"13"
_KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")
_ACCEPT_SUFFIX = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def check_handshake(request: Request, origins: Collection[bytes]) -> None:
    """Holds a request against what a WebSocket is opened by.

    Args:
        request: The request.
        origins: Those that browsers may call from, besides the gateway's own.

    Raises:
        UpgradeRequired: it does not ask for a WebSocket, or for one of another version.
        BadRequest: its key is not one, or it has a body.
        Forbidden: a page of another origin asks.
    """
    headers = request.headers
    if (
        UPGRADE_EXTENSION not in request.extensions
        or request.method != "GET"
        or request.http_version == "1.0"
        or not _offers_websocket(headers)
    ):
        raise UpgradeRequired
    if headers.get(b"sec-websocket-version", b"") != _VERSION:
        raise UpgradeRequired
    if not _KEY.fullmatch(headers.get(b"sec-websocket-key", b"")):
        raise BadRequest("Sec-WebSocket-Key is missing or malformed.")
    if request.announced_body_bytes() or b"transfer-encoding" in headers:
        raise BadRequest("The handshake of a WebSocket has no body.")
    origin = headers.get(b"origin")
    if origin is not None and origin not in origins and not is_own(origin, headers.get(b"host", b"")):
        raise Forbidden


def move_offered_token(request: Request) -> None:
    """Moves the token that is offered as a subprotocol to where every other request has it.

    Browsers let a page set no header of a WebSocket but this one.
    """
    if b"authorization" in request.headers:
        return
    for offered in _subprotocols(request):
        if offered.startswith(_BEARER):
            request.headers[b"authorization"] = b"Bearer " + offered.removeprefix(_BEARER)
            return


def accepting_headers(request: Request) -> list[Header]:
    """Returns the headers that accept a handshake."""
    key = request.headers[b"sec-websocket-key"]
    accept = base64.b64encode(hashlib.sha1(key + _ACCEPT_SUFFIX, usedforsecurity=False).digest())
    headers = [(b"upgrade", b"websocket"), (b"connection", b"Upgrade"), (b"sec-websocket-accept", accept)]
    if SUBPROTOCOL in _subprotocols(request):
        headers.append((b"sec-websocket-protocol", SUBPROTOCOL))
    return headers


def _offers_websocket(headers: dict[bytes, bytes]) -> bool:
    connection = {each.strip().lower() for each in headers.get(b"connection", b"").split(b",")}
    return b"upgrade" in connection and headers.get(b"upgrade", b"").strip().lower() == b"websocket"


def _subprotocols(request: Request) -> list[bytes]:
    return [each.strip() for each in request.headers.get(b"sec-websocket-protocol", b"").split(b",")]
