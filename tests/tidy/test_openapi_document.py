"""The OpenAPI document promises what the descriptors say, no less and no more, in a form linters take."""

import json
import re
from typing import Any

import pytest
from chassis.grpc.field_rules import field_rules
from gateway.api import descriptors
from gateway.api.documentation import document
from gateway.api.documented_statuses import CODES, named_errors
from gateway.api.routes import Route, compile_routes
from vestibule.api.v1 import options_pb2

from tests.tidy import tree

PROTOS = descriptors.load()
ROUTES = compile_routes(PROTOS.services)
DOCUMENT: dict[str, Any] = json.loads(document(ROUTES, PROTOS.comments))
_ERRORS = re.compile(r"\b[A-Z]{3,}(?:_[A-Z]+)+\b")


def _described(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = DOCUMENT["paths"][route.template][route.method.lower()]
    return operation


def _comment(route: Route) -> str:
    return PROTOS.comments.get(route.policy.descriptor.full_name, "")


API = [route for route in ROUTES if route.enveloped or route.template.startswith("/.well-known/")]


def test_the_document_introduces_itself() -> None:
    """Where it is served, and what license it has."""
    assert DOCUMENT["servers"] == [{"url": "/", "description": "The gateway that serves this document."}]
    assert DOCUMENT["info"]["license"]["identifier"] == "Apache-2.0"
    operations = [each for path in DOCUMENT["paths"].values() for each in path.values()]
    names = [each["operationId"] for each in operations]
    assert len(names) == len(set(names)) == len(API)


def test_pages_for_users_are_no_part_of_the_api() -> None:
    """A generated client has no methods that return pages."""
    assert {"/api/", "/.well"} == {
        path[:5] if path.startswith("/api/") else path[:6] for path in DOCUMENT["paths"]
    }


@pytest.mark.parametrize("route", API, ids=lambda route: f"{route.method} {route.template}")
def test_statuses(route: Route) -> None:
    """Each is there for a reason that the descriptor gives."""
    operation, named = _described(route), {str(CODES[code]) for code in named_errors(_comment(route))}
    statuses = set(operation["responses"])
    public = route.policy.access == options_pb2.ACCESS_PUBLIC

    assert operation["security"] == ([] if public else [{"bearer": []}])
    by_origin = {"403"} if any(field_rules(each).same_origin for each in route.header_fields) else set()
    refused = ({"401", "403"} & named) | by_origin if public else {"401", "403"}
    assert {"401", "403"} & statuses == refused
    assert ("304" in statuses) <= (route.method == "GET")
    assert {"408", "415"} <= statuses if route.reads_body else not {"408", "415"} & statuses
    assert ("404" in statuses) == ("404" in named)
    # A stored response of an Idempotency-Key may have ended.
    assert ("409" in statuses) == ("409" in named or route.takes_idempotency_key)
    assert {"400", "413", "429", "500", "503", "504"} <= statuses
    fresh = route.policy.options.HasField("max_auth_age")
    assert fresh == ("REAUTHENTICATION_REQUIRED" in json.dumps(operation["responses"].get("401", {})))


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
