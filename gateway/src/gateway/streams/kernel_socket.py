"""What the kernel holds of a WebSocket's connection, and knows of its peer."""

import asyncio
import socket
from typing import Any

RECEIVE_BUFFER_BYTES = 128 * 1024
"""What the kernel may hold that is not read: without a bound it takes megabytes."""

_CLOSED_STATES = frozenset({7, 8})
"""CLOSE and CLOSE_WAIT among the states of `tcp_info`: the peer has closed or reset the connection."""


def limit_receive_buffer(transport: asyncio.BaseTransport) -> None:
    """Bounds what the kernel may hold that is not read.

    What it may hold unsent is bounded for every connection (`chassis.http.streamed_answers`).
    """
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)


def peer_has_closed(transport: asyncio.BaseTransport) -> bool:
    """Whether the peer has closed or reset a connection, which may not be read meanwhile."""
    connection: Any = transport.get_extra_info("socket")
    state: int = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    return state in _CLOSED_STATES
