"""The least that an ASGI app can do: an answer that is there already. `BODY` in the environment is what."""

import os
from typing import Any

_BODY = os.environ["BODY"].encode()
_HEAD = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(_BODY)).encode())],
}
_REST = {"type": "http.response.body", "body": _BODY}


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers."""
    del scope, receive
    await send(_HEAD)
    await send(_REST)
