"""The line of a request is whole JSON, however it is stitched, and the same as structlog would write."""

import asyncio
import io
import json
from ipaddress import ip_network
from typing import Any

import pytest
import structlog
from chassis.addresses import normal_address
from chassis.identity.claims import Claims
from chassis.identity.role import Role
from chassis.ids import uuid7
from gateway.access_log import AccessLog
from gateway.http.client_address import TrustedProxies
from gateway.http.request import Request

from gateway import access_log

PROXIES = TrustedProxies((ip_network("10.0.0.0/8"),))
ADA = uuid7()


async def _receive() -> Any:
    return {}


def _request(client: str) -> Request:
    scope = {
        "method": "GET",
        "raw_path": b"/api/users/me",
        "query_string": b"secret=1",
        "http_version": "1.0",
        "headers": [(b"x-forwarded-for", client.encode()), (b"x-request-id", b"r-1")],
        "client": ("10.0.0.1", 1),
    }
    request = Request.of(scope, _receive, PROXIES)
    request.route = "/api/users/me"
    request.claims = Claims(
        user_id=ADA,
        role=Role.USER,
        session_id=ADA,
        token_id=ADA,
        expires_at=0,
        issued_at_milliseconds=0,
    )
    return request


@pytest.mark.parametrize("status", [200, 503])
@pytest.mark.parametrize("client", ["203.0.113.9", "2001:db8::1", 'fe80::1%"}\\evil'])
async def test_stitched_and_structured_lines_are_the_same(
    log_output: io.StringIO, client: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = _request(client)
    AccessLog().write(request, status)
    await asyncio.sleep(0)
    monkeypatch.setattr(access_log, "json_lines", lambda: None)
    monkeypatch.setattr(access_log, "log", structlog.get_logger())
    AccessLog().write(request, status)
    stitched, structured = (json.loads(line) for line in log_output.getvalue().splitlines())

    assert stitched.pop("timestamp")[-1] == structured.pop("timestamp")[-1] == "Z"
    assert isinstance(stitched.pop("duration_ms"), float)
    assert isinstance(structured.pop("duration_ms"), float)
    assert stitched == structured
    assert stitched["level"] == ("info" if status == 200 else "warning")
    assert stitched["client"] == normal_address(client)
    assert "secret" not in log_output.getvalue()
