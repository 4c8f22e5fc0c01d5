"""Streams that cannot be served as their protos declare them are refused at startup, by method name."""

import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from chassis.grpc.policy import PolicyMissingError
from chassis.startup_errors import StartupError
from gateway.api.routes import RouteKind, compile_routes
from google.protobuf import descriptor_pb2, descriptor_pool
from vestibule.api.v1 import options_pb2  # noqa: F401 registers the options

PROTOS = Path(__file__).parents[2] / "protos"

MESSAGES = """
message Empty {}
message Ended { oneof event { string word = 1; string end = 2; } }
message Failing { oneof event { string error = 1; } }
message Warning { oneof event { string ending = 1; } }
message Cookies { string token = 1 [(vestibule.api.v1.field).cookie.name = "token"]; }
message Etag { string etag = 1 [(vestibule.api.v1.field).header = "ETag"]; }
message Auth { string auth = 1; }
message End { bool end = 1; }
message Self { string user_id = 1; string word = 2; }
message NumberedIds { int32 number = 1 [(vestibule.api.v1.field).event_id = true]; }
message ManyIds { repeated string ids = 1 [(vestibule.api.v1.field).event_id = true]; }
message TwoIds {
  string one = 1 [(vestibule.api.v1.field).event_id = true];
  string two = 2 [(vestibule.api.v1.field).event_id = true];
}
message TextFrame { string text = 1 [(vestibule.api.v1.field).binary_frame = true]; }
message Listed { repeated string words = 1; }
"""

GET = 'get: "/api/it"'
PUBLIC = "access: ACCESS_PUBLIC"
EVENTS = ("Empty", "stream Empty")
BOTH_WAYS = ("stream Empty", "stream Empty")
HTTP_BODY = "google.api.HttpBody"

REFUSED: list[tuple[tuple[str, str], str, str, str]] = [
    # The request and the response, the route, the policy, and what is said of it.
    (EVENTS, 'put: "/api/it" body: "*"', PUBLIC, "responses stream to `get` and `post`"),
    (EVENTS, 'patch: "/api/it" body: "*"', PUBLIC, "responses stream to `get` and `post`"),
    (EVENTS, 'delete: "/api/it"', PUBLIC, "responses stream to `get` and `post`"),
    (BOTH_WAYS, 'post: "/api/it" body: "*"', PUBLIC, "whose route is a `get` without `body`"),
    (("stream Empty", "Empty"), 'post: "/api/it" body: "*"', PUBLIC, "whose route is a `get` without `body`"),
    (BOTH_WAYS, 'get: "/api/it" body: "*"', PUBLIC, "whose route is a `get` without `body`"),
    (("Empty", "stream Listed"), f'{GET} response_body: "words"', PUBLIC, "`response_body` has no meaning"),
    (EVENTS, GET, f"{PUBLIC} success_status: 201", "`success_status` has no meaning"),
    (EVENTS, GET, f"{PUBLIC} cache {{near {{seconds: 1}}}}", "`cache` has no meaning"),
    (EVENTS, GET, f'{PUBLIC} status_rule {{field: "x" value: "y" status: 503}}', "`status_rule` has no mean"),
    (("Empty", "stream Ended"), GET, PUBLIC, "an event cannot have the name `end`"),
    (("Empty", "stream Failing"), GET, PUBLIC, "an event cannot have the name `error`"),
    (("Empty", "stream Warning"), GET, PUBLIC, "an event cannot have the name `ending`"),
    (("Empty", "stream Cookies"), GET, PUBLIC, "no headers or cookies"),
    (("stream Empty", "stream Etag"), GET, PUBLIC, "no headers or cookies"),
    (("stream Auth", "stream Empty"), GET, PUBLIC, "has a field `auth`"),
    (("stream End", "stream Empty"), GET, PUBLIC, "has a field `end`"),
    (("stream Self", "stream Empty"), GET, "access: ACCESS_ADMIN_OR_SELF", "needs the `user_id` in its path"),
    ((f"stream {HTTP_BODY}", "Empty"), GET, PUBLIC, "HttpBody streams only from the service"),
    (("stream Empty", f"stream {HTTP_BODY}"), GET, PUBLIC, "HttpBody streams only from the service"),
    (
        ("Empty", "stream NumberedIds"),
        GET,
        PUBLIC,
        "`event_id` of NumberedIds is not one field of type string",
    ),
    (("Empty", "stream ManyIds"), GET, PUBLIC, "`event_id` of ManyIds is not one field of type string"),
    (("Empty", "stream TwoIds"), GET, PUBLIC, "TwoIds has more than one `event_id`"),
    (
        ("stream TextFrame", "Empty"),
        GET,
        PUBLIC,
        "`binary_frame` of TextFrame is not one field of type bytes",
    ),
    (EVENTS, GET, f"{PUBLIC} stream {{lifetime {{seconds: 3601}}}}", "`lifetime` is 3600 s at most"),
    (EVENTS, GET, f"{PUBLIC} stream {{message_bytes: 1048577}}", "`message_bytes` is 1048576 at most"),
    (EVENTS, GET, f"{PUBLIC} stream {{per_person: -1}}", "not negative"),
    (("Empty", "Empty"), GET, f"{PUBLIC} stream {{per_person: 1}}", "`stream` is for methods that stream"),
]

SERVED: list[tuple[tuple[str, str], str, RouteKind]] = [
    (EVENTS, GET, RouteKind.EVENTS),
    (EVENTS, 'post: "/api/it" body: "*"', RouteKind.EVENTS),
    (BOTH_WAYS, GET, RouteKind.WEBSOCKET),
    (("stream Empty", "Empty"), GET, RouteKind.WEBSOCKET),
    (("Empty", f"stream {HTTP_BODY}"), GET, RouteKind.CONTENT),
    (("Empty", f"stream {HTTP_BODY}"), 'post: "/api/it" body: "*"', RouteKind.CONTENT),
]


def declared(name: str, messages: tuple[str, str], route: str, policy: str) -> str:
    """Returns the text of a service with one method."""
    return (
        f"service {name} {{ rpc Method({messages[0]}) returns ({messages[1]}) {{"
        f" option (google.api.http) = {{{route}}};"
        f" option (vestibule.api.v1.policy) = {{{policy}}}; }} }}\n"
    )


@cache
def services() -> Any:
    """Returns the services of all cases, compiled by protoc as a team's build does."""
    text = 'syntax = "proto3"; package unservable.v1;\n'
    for imported in (
        "google/api/annotations.proto",
        "google/api/httpbody.proto",
        "vestibule/api/v1/options.proto",
    ):
        text += f'import "{imported}";\n'
    text += MESSAGES
    text += "".join(declared(f"Refused{index}", *case[:3]) for index, case in enumerate(REFUSED))
    text += "".join(declared(f"Served{index}", *case[:2], PUBLIC) for index, case in enumerate(SERVED))
    with TemporaryDirectory() as folder:
        (Path(folder) / "unservable.proto").write_text(text)
        compiled = Path(folder) / "compiled.binpb"
        includes = [f"-I{folder}", f"-I{PROTOS}", f"-I{PROTOS / 'third_party'}"]
        command = [sys.executable, "-m", "grpc_tools.protoc", *includes, f"--descriptor_set_out={compiled}"]
        subprocess.run([*command, "unservable.proto"], check=True)
        (file,) = descriptor_pb2.FileDescriptorSet.FromString(compiled.read_bytes()).file
    pool: Any = descriptor_pool.Default()  # type: ignore[no-untyped-call]
    pool.Add(file)
    return pool.FindFileByName("unservable.proto").services_by_name


@pytest.mark.parametrize("index", range(len(REFUSED)), ids=lambda index: REFUSED[index][3])
def test_what_cannot_be_served_is_refused(index: int) -> None:
    """The message names the method and says what is wrong with it."""
    said = REFUSED[index][3]
    with pytest.raises((StartupError, PolicyMissingError), match=re.escape(said)) as refusal:
        compile_routes([services()[f"Refused{index}"]])
    assert re.search(rf"unservable\.v1\.Refused{index}[./]Method", str(refusal.value))


@pytest.mark.parametrize("index", range(len(SERVED)))
def test_what_is_served(index: int) -> None:
    """Each by the kind that its shape makes it."""
    (route,) = compile_routes([services()[f"Served{index}"]])

    assert route.kind is SERVED[index][2]
