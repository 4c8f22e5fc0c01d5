"""The OpenAPI document, made by FastAPI from routes and Pydantic models of the protos.

FastAPI only documents. Requests are not served by it: its overhead would exceed their work.
"""

import inspect
import json
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from chassis.grpc.field_rules import constraints, field_rules
from chassis.grpc.stream_policy import HTTP_BODY
from fastapi import Body, Cookie, Depends, FastAPI, Header, Path, Query
from fastapi.openapi.models import HTTPBearer as HTTPBearerModel
from fastapi.security.base import SecurityBase
from google.api import annotations_pb2
from google.protobuf.descriptor import FieldDescriptor
from pydantic import BaseModel, ConfigDict, Field, create_model
from vestibule.api.v1 import options_pb2

from gateway.api.documented_statuses import documented_statuses
from gateway.api.fields import EMPTY, PAGINATION, cookie_of, header_of
from gateway.api.models import Models
from gateway.api.routes import Route, RouteKind
from gateway.api.stream_documentation import (
    SWITCHING_PROTOCOLS,
    content_response,
    describe_websocket,
    event_stream_response,
    move_line_schemas,
    websocket_operation,
)
from gateway.http.envelope import VERSION
from gateway.http.idempotency import HEADER as IDEMPOTENCY_KEY
from gateway.http.idempotency import KEY_LENGTH_MAX

_CREATED = 201
_NOT_MODIFIED = 304

TITLE = "Vestibule"
DESCRIPTION = (
    "Authentication, user management and system health. Every response under `/api/` has an envelope."
)

LICENSE = {"name": "Apache 2.0", "identifier": "Apache-2.0"}
SERVERS: list[dict[str, Any]] = [{"url": "/", "description": "The gateway that serves this document."}]


class ErrorDetail(BaseModel):
    """What is wrong with one field."""

    field: str
    message: str


class ErrorBody(BaseModel):
    """What went wrong."""

    code: str = Field(description="The contract's code, such as `VALIDATION_ERROR`.")
    message: str
    field: str | None
    details: dict[str, Any]


class Metadata(BaseModel):
    """Data about the response."""

    request_id: str
    version: str


class ErrorEnvelope(BaseModel):
    """The envelope of a failure."""

    success: Literal[False]
    data: Any
    error: ErrorBody
    metadata: Metadata
    timestamp: str


class PlainError(BaseModel):
    """A failure outside the envelope."""

    error: ErrorBody


class _Bearer(SecurityBase):
    """The bearer token's security scheme."""

    def __init__(self) -> None:
        self.model = HTTPBearerModel(bearerFormat="JWT")
        self.scheme_name = "bearer"

    def __call__(self) -> None:
        """Does nothing: tokens are verified below FastAPI."""


def document(routes: Iterable[Route], comments: Mapping[str, str]) -> bytes:
    """Returns the OpenAPI document of the routes, as JSON."""
    app = FastAPI(
        title=TITLE, version=VERSION, description=DESCRIPTION, license_info=LICENSE, servers=SERVERS
    )
    models = Models(comments)
    bearer = _Bearer()
    documented = [route for route in routes if not _is_page(route)]
    for route in documented:
        _add(app, route, models, comments, bearer)
    described = app.openapi()
    for route in documented:
        if route.kind is RouteKind.WEBSOCKET:
            describe_websocket(route, models, described)
    move_line_schemas(described)
    _drop_unused(described)
    return json.dumps(described, separators=(",", ":")).encode()


def _is_page(route: Route) -> bool:
    """Returns whether a route is a page for browsers, and so not part of the API."""
    return not route.enveloped and route.policy.descriptor.output_type.full_name == HTTP_BODY


def _add(app: FastAPI, route: Route, models: Models, comments: Mapping[str, str], bearer: _Bearer) -> None:
    method = route.policy.descriptor
    comment = comments.get(method.full_name, "")
    summary = comment.split(". ")[0].removesuffix(".")
    public = route.policy.access == options_pb2.ACCESS_PUBLIC
    status = _success_status(route)
    app.add_api_route(
        route.template,
        _endpoint(route, models, comments),
        methods=[route.method],
        operation_id=f"{method.name}{_operation_suffix(route)}",
        summary=summary,
        description=comment,
        tags=[method.containing_service.name.removesuffix("Service").lower()],
        status_code=status,
        dependencies=[] if public else [Depends(bearer)],
        responses=_responses(route, status, models, comment),
        openapi_extra={"security": []} if public else None,
        response_description="Success.",
    )


def _success_status(route: Route) -> int:
    if route.kind is RouteKind.WEBSOCKET:
        return SWITCHING_PROTOCOLS
    return route.policy.options.success_status or 200


def _operation_suffix(route: Route) -> str:
    """Returns what distinguishes the further routes of a method from its first one."""
    rule = route.policy.descriptor.GetOptions().Extensions[annotations_pb2.http]
    first_method = rule.WhichOneof("pattern")
    if route.template != getattr(rule, first_method):
        return "_" + route.template.strip("/").replace("/", "_")
    return "" if route.method == first_method.upper() else f"_{route.method.lower()}"


def _endpoint(route: Route, models: Models, comments: Mapping[str, str]) -> Any:
    """Returns a function whose signature describes the route's parameters to FastAPI."""
    parameters = [
        *(_parameter(field, Path, models, comments) for field in route.path_fields),
        *(_parameter(field, Query, models, comments) for field in route.query_fields),
        *(_parameter(field, Header, models, comments) for field in route.header_fields),
        *(_parameter(field, Cookie, models, comments) for field in route.cookie_fields),
    ]
    if route.takes_idempotency_key:
        parameters.append(_idempotency_key())
    if route.body and route.kind is not RouteKind.WEBSOCKET:
        parameters.append(_body(route, models))

    def endpoint(**_: Any) -> None:
        """Documents; never called."""

    endpoint.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return endpoint


def _parameter(
    field: FieldDescriptor, kind: Any, models: Models, comments: Mapping[str, str]
) -> inspect.Parameter:
    options = {**models.constraints(field), "description": comments.get(field.full_name)}
    if kind is Header:
        options["alias"] = header_of(field)
    if kind is Cookie:
        options["alias"] = cookie_of(field)
    annotation = models.annotation(field)
    default: Any = inspect.Parameter.empty
    if kind is not Path and not constraints(field).required:
        given = field_rules(field).default_value
        default = json.loads(given) if given else None
        annotation = annotation if default is not None else annotation | None
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        annotation=Annotated[annotation, kind(**options)],
        default=default,
    )


def _idempotency_key() -> inspect.Parameter:
    header = Header(
        alias=IDEMPOTENCY_KEY,
        min_length=1,
        max_length=KEY_LENGTH_MAX,
        pattern="^[!-~]([ -~]*[!-~])?$",
        description="Names this request: a retry within 24 hours returns the first response.",
    )
    return inspect.Parameter(
        "idempotency_key",
        inspect.Parameter.KEYWORD_ONLY,
        annotation=Annotated[str | None, header],
        default=None,
    )


def _body(route: Route, models: Models) -> inspect.Parameter:
    model = models.request(f"{route.policy.descriptor.name}Body", route.body_fields)
    return inspect.Parameter("body", inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[model, Body()])


def _responses(route: Route, status: int, models: Models, comment: str) -> dict[int | str, dict[str, Any]]:
    responses: dict[int | str, dict[str, Any]] = {}
    output = route.policy.descriptor.output_type
    if route.kind is RouteKind.CONTENT:
        responses[status] = content_response()
    elif output.full_name == HTTP_BODY:
        responses[status] = {"content": {"*/*": {}}, "description": "The content."}
    elif route.kind is RouteKind.EVENTS:
        responses[status] = event_stream_response(route, models)
    elif route.kind is RouteKind.WEBSOCKET:
        responses.update(websocket_operation())
    elif output.full_name != EMPTY:
        responses[status] = {"model": _success(route, models)}
        if route.policy.options.created_field:
            responses[_CREATED] = {**responses[status], "description": "Created."}
    error = ErrorEnvelope if route.enveloped else PlainError
    for code, meaning in documented_statuses(route, comment).items():
        responses[code] = (
            {"description": meaning} if code == _NOT_MODIFIED else {"model": error, "description": meaning}
        )
    return responses


def _success(route: Route, models: Models) -> Any:
    data = models.response(route.policy.descriptor.output_type, route.response_field)
    if not route.enveloped:
        return data
    metadata: Any = Metadata
    for field in route.policy.descriptor.output_type.fields:
        if field.message_type is not None and field.message_type.full_name == PAGINATION:
            page = models.message(field.message_type)
            metadata = create_model("PageMetadata", __base__=Metadata, pagination=(page, ...))
    return create_model(
        f"{route.policy.descriptor.name}Envelope",
        __config__=ConfigDict(extra="forbid"),
        success=(Literal[True], ...),
        data=(data, ...),
        error=(None, ...),
        metadata=(metadata, ...),
        timestamp=(str, ...),
    )


def _drop_unused(described: dict[str, Any]) -> None:
    """Removes what FastAPI adds for its own validation, which is not used."""
    schemas = described.get("components", {}).get("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for operations in described["paths"].values():
        for operation in operations.values():
            answer = operation["responses"].get("422", {})
            if "HTTPValidationError" in json.dumps(answer):
                del operation["responses"]["422"]
            success = operation["responses"].get("200")
            if success and "application/json" in success.get("content", {}) and len(success["content"]) > 1:
                del success["content"]["application/json"]
