"""The OpenAPI document promises what the descriptors say, no less and no more, in a form linters take."""

import json
import re
from collections.abc import Iterable
from typing import Any

import pytest
from chassis.grpc.field_rules import field_rules
from gateway.api import descriptors
from gateway.api.documented_statuses import CODES, named_errors
from gateway.api.routes import Route, compile_routes
from vestibule.api.v1 import options_pb2

from tests.tidy import tree

PROTOS = descriptors.load()
COMMENTS = PROTOS.comments()
ROUTES = compile_routes(PROTOS.services)
_ERRORS = re.compile(r"\b[A-Z]{3,}(?:_[A-Z]+)+\b")


@pytest.fixture(scope="module", name="described")
def _described() -> dict[str, Any]:
    """The document."""
    from gateway.api.documentation import document  # noqa: PLC0415 with FastAPI

    found: dict[str, Any] = json.loads(document(ROUTES, COMMENTS))
    return found


def _comment(route: Route) -> str:
    return COMMENTS.get(route.policy.descriptor.full_name, "")


API = [route for route in ROUTES if route.enveloped or route.template.startswith("/.well-known/")]


def test_the_document_introduces_itself(described: dict[str, Any]) -> None:
    """Where it is served, and what license it has."""
    assert described["servers"] == [{"url": "/", "description": "The gateway that serves this document."}]
    assert described["info"]["license"]["identifier"] == "Apache-2.0"
    operations = [each for path in described["paths"].values() for each in path.values()]
    names = [each["operationId"] for each in operations]
    assert len(names) == len(set(names)) == len(API)


def test_pages_for_users_are_no_part_of_the_api(described: dict[str, Any]) -> None:
    """A generated client has no methods that return pages."""
    assert {"/api/", "/.well"} == {
        path[:5] if path.startswith("/api/") else path[:6] for path in described["paths"]
    }


def test_statuses(described: dict[str, Any]) -> None:
    """Each is there for a reason that the descriptor gives."""
    for route in API:
        operation = described["paths"][route.template][route.method.lower()]
        wrong = [rule for rule, holds in _rules_of_statuses(route, operation) if not holds]
        assert wrong == [], f"{route.method} {route.template}"


def _rules_of_statuses(route: Route, operation: dict[str, Any]) -> Iterable[tuple[str, bool]]:
    statuses = set(operation["responses"])
    named = {str(CODES[code]) for code in named_errors(_comment(route))}
    public = route.policy.access == options_pb2.ACCESS_PUBLIC
    by_origin = {"403"} if any(field_rules(each).same_origin for each in route.header_fields) else set()
    refused = ({"401", "403"} & named) | by_origin if public else {"401", "403"}
    asks_for_proof = "REAUTHENTICATION_REQUIRED" in json.dumps(operation["responses"].get("401", {}))

    yield "security", operation["security"] == ([] if public else [{"bearer": []}])
    yield "401, 403", {"401", "403"} & statuses == refused
    yield "304 for GET alone", ("304" in statuses) <= (route.method == "GET")
    yield "408, 415 with a body", {"408", "415"} & statuses == ({"408", "415"} if route.reads_body else set())
    yield "404", ("404" in statuses) == ("404" in named)
    # A stored response of an Idempotency-Key may have ended.
    yield "409", ("409" in statuses) == ("409" in named or route.takes_idempotency_key)
    yield "of every route", {"400", "413", "429", "500", "503", "504"} <= statuses
    fields = route.policy.descriptor.input_type.fields
    rules = [route.policy.options, *(field_rules(field).access for field in fields)]
    yield "fresh proof", any(each.HasField("max_auth_age") for each in rules) == asks_for_proof


def test_a_path_with_an_id_can_be_unknown() -> None:
    """A method whose path names something says NOT_FOUND among its errors."""
    silent = {
        route.policy.path
        for route in API
        if route.path_fields and "NOT_FOUND" not in named_errors(_comment(route))
    }

    assert not silent


def test_errors_in_comments_are_codes() -> None:
    """A comment names no error that the contract does not have."""
    unknown = {
        name
        for route in ROUTES
        for name in _ERRORS.findall(_comment(route).partition("Errors:")[2])
        if name not in CODES
    }

    assert not unknown


def test_codes_are_those_of_the_page() -> None:
    """`docs/errors.md` and the document say the same of every code."""
    page = (tree.ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([A-Z_]+)` \| (\d{3}) \|", page, re.MULTILINE)

    assert {name: int(status) for name, status in rows} == dict(CODES)
