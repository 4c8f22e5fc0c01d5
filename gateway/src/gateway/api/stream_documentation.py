"""Streams in the OpenAPI document: events in two media types, frames of WebSockets as an extension."""

from typing import Any, Literal, Union

from chassis.grpc.stream_policy import binary_field, event_id_field
from google.protobuf.descriptor import Descriptor
from pydantic import BaseModel, ConfigDict, create_model
from pydantic.json_schema import models_json_schema

from gateway.api.fields import in_json, real_oneof
from gateway.api.models import Models
from gateway.api.routes import Route
from gateway.api.stream_routes import RESERVED_EVENTS

EVENTS = "text/event-stream"
LINES = "application/x-ndjson"
EXTENSION = "x-websocket"
SWITCHING_PROTOCOLS = 101

_EVENT = {
    "type": "object",
    "properties": {
        "event": {"type": "string"},
        "id": {"type": "string"},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
    "required": ["event", "data"],
}
"""The schema of one event, as that of JSON lines is of one line. Its data is the `data` of such a line."""

_REFS = "#/components/schemas/{model}"


def event_stream_response(route: Route, models: Models) -> dict[str, Any]:
    """Returns the response of a route whose answers stream."""
    return {
        "model": _line(route, models),
        "content": {EVENTS: {"schema": _EVENT}, LINES: {}},
        "description": "Server-Sent Events, or JSON lines when `Accept` asks for them. The last event is"
        " `end` or `error`; a stream without one was cut. An empty line or a comment is a heartbeat.",
    }


def content_response() -> dict[str, Any]:
    """Returns the response of a route that sends a body while it is made."""
    return {
        "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
        "description": "The content, sent in chunks while it is made, with its own `Content-Type`. Where it"
        " cannot be made whole the connection is cut before the last chunk.",
    }


def move_line_schemas(described: dict[str, Any]) -> None:
    """Puts the schema of a line where it belongs: FastAPI files every model under `application/json`."""
    for operations in described["paths"].values():
        for operation in operations.values():
            content = operation["responses"].get("200", {}).get("content", {})
            if LINES in content:
                content[LINES] = content.pop("application/json")


def websocket_operation() -> dict[int | str, dict[str, Any]]:
    """Returns the response that opens a WebSocket."""
    text = f"The WebSocket is open; `{EXTENSION}` has the messages that are sent over it."
    return {SWITCHING_PROTOCOLS: {"description": text}}


def describe_websocket(route: Route, models: Models, described: dict[str, Any]) -> None:
    """Adds the frames of a WebSocket to its operation, and their schemas to the document's."""
    method = route.policy.descriptor
    request = models.request(f"{method.name}Frame", route.body_fields)
    response = _frame(f"{method.name}ResponseFrame", method.output_type, models)
    refs, schemas = models_json_schema(
        [(request, "validation"), (response, "serialization")], ref_template=_REFS
    )
    described["components"]["schemas"].update(schemas["$defs"])
    operation = described["paths"][route.template][route.method.lower()]
    operation[EXTENSION] = {
        "subprotocol": "vestibule.v1",
        "client": {"text": refs[request, "validation"], "binary": _binary(method.input_type)},
        "server": {"text": refs[response, "serialization"], "binary": _binary(method.output_type)},
    }


def _binary(message: Descriptor) -> str | None:
    field = binary_field(message)
    return None if field is None else field.name


def _line(route: Route, models: Models) -> type[BaseModel]:
    output = route.policy.descriptor.output_type
    oneof = real_oneof(output)
    names = [field.name for field in oneof.fields] if oneof is not None else ["message"]
    data = (
        [models.annotation(field) for field in oneof.fields]
        if oneof is not None
        else [models.message(output)]
    )
    members: dict[str, Any] = {"event": (Literal.__getitem__((*names, *sorted(RESERVED_EVENTS))), ...)}
    if event_id_field(output) is not None:
        members["id"] = (str, "")
    members["data"] = (Union[(*data, dict[str, Any])], ...)
    return create_model(f"{route.policy.descriptor.name}Event", **members)


def _frame(name: str, message: Descriptor, models: Models) -> type[BaseModel]:
    members: dict[str, Any] = {
        field.name: (models.annotation(field), None if field.has_presence or field.containing_oneof else ...)
        for field in in_json(message)
    }
    return create_model(name, __config__=ConfigDict(extra="forbid"), **members)
