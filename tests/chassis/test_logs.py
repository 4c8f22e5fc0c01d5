"""Lines as they leave the process."""

import io
import json
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from chassis.grpc.secret_fields import secret_fields
from vestibule.auth.v1 import auth_service_pb2

from chassis import logs


@pytest.fixture
def output() -> Iterator[io.StringIO]:
    """Where lines go during the test."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level, warnings.showwarning)
    yield io.StringIO()
    structlog.reset_defaults()
    logs.describe(dict)
    logging.captureWarnings(capture=False)
    root.handlers[:], root.level, warnings.showwarning = before


def lines(output: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.getvalue().splitlines()]


def test_a_line_carries_time_level_service_and_context(output: io.StringIO) -> None:
    logs.configure("stock-service", stream=output)
    logs.describe(lambda: {"request_id": "r1", "user_id": "u1"})
    structlog.get_logger().info("item sold", price=3)
    (line,) = lines(output)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "item sold",
        "level": "info",
        "service": "stock-service",
        "request_id": "r1",
        "user_id": "u1",
        "price": 3,
    }


def test_secrets_are_redacted_by_key(output: io.StringIO) -> None:
    logs.configure("s", stream=output, secret_names={"postgres_url"})
    structlog.get_logger().info(
        "x", postgres_url="hush", Password="hush", headers={"Authorization": "hush", "a": 1}
    )
    assert "hush" not in output.getvalue()
    assert lines(output)[0]["headers"] == {"Authorization": logs.REDACTED, "a": 1}


def test_what_the_protos_call_secret_is_redacted(output: io.StringIO) -> None:
    logs.configure("s", stream=output)
    service = auth_service_pb2.DESCRIPTOR.services_by_name["AuthService"]
    names = secret_fields([service])
    assert {"password", "refresh_token", "old_password", "new_password"} <= names
    logs.hide(names | {"pass_phrase"})
    structlog.get_logger().info("x", pass_phrase="hush", body=dict.fromkeys(names, "hush"))
    assert "hush" not in output.getvalue()


def test_an_exception_is_one_line(output: io.StringIO) -> None:
    logs.configure("s", stream=output)
    try:
        dict[str, int]()["missing"]
    except KeyError:
        structlog.get_logger().exception("failed")
    (line,) = lines(output)
    assert "KeyError: 'missing'" in line["exception"]


def test_libraries_that_use_logging_come_along(output: io.StringIO) -> None:
    logs.configure("s", stream=output)
    logging.getLogger("asyncio").error("task %s failed", "x")
    logging.getLogger("uvicorn.error").info("Started server process")
    logging.getLogger("uvicorn.access").info("GET /")
    (line,) = lines(output)
    assert (line["event"], line["logger"], line["level"]) == ("task x failed", "asyncio", "error")


def test_levels_below_are_not_written(output: io.StringIO) -> None:
    logs.configure("s", stream=output, level="warning")
    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud")
    assert [line["event"] for line in lines(output)] == ["loud"]


def test_the_console_is_for_users(output: io.StringIO) -> None:
    logs.configure("s", stream=output, log_format="console")
    structlog.get_logger().info("hello", number=1)
    assert "hello" in output.getvalue()
    assert "number=1" in output.getvalue()
