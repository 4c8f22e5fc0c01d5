"""A service of another team: its proto is `tests/gateway/echo.proto`, its methods are written here."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc
import grpc.aio
from chassis.errors import Forbidden, Kind, RemoteError
from chassis.grpc import errors
from google.api.httpbody_pb2 import HttpBody
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import ServiceDescriptor

PACKAGE = "example.echo.v1"
SERVICE = f"{PACKAGE}.EchoService"

_ERRORS = {
    "FORBIDDEN": Forbidden(),
    "NO_SUCH_ROOM": RemoteError(Kind.NOT_FOUND, "NOT_FOUND", "There is no such room."),
    "TOO_MANY": RemoteError(Kind.EXHAUSTED, "RATE_LIMITED", "Too many."),
}

_HERE = Path(__file__).parents[1] / "gateway"
_PROTOS = _HERE.parents[1] / "protos"


def write_descriptors(path: Path) -> None:
    """Writes the service's descriptor set, as its own build would."""
    subprocess.run(
        [
            *(sys.executable, "-m", "grpc_tools.protoc"),
            *(f"-I{_HERE}", f"-I{_PROTOS}", f"-I{_PROTOS / 'third_party'}"),
            *("--include_imports", "--include_source_info", f"--descriptor_set_out={path}"),
            "echo.proto",
        ],
        check=True,
    )


@cache
def echo_descriptor() -> ServiceDescriptor:
    """Returns the service's descriptor, from the pool of this process."""
    # What the proto imports has to be known before it is read.
    from buf.validate import validate_pb2  # noqa: F401, PLC0415
    from google.api import annotations_pb2  # noqa: F401, PLC0415
    from vestibule.api.v1 import options_pb2  # noqa: F401, PLC0415

    pool: Any = descriptor_pool.Default()  # type: ignore[no-untyped-call]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "echo.binpb"
        write_descriptors(path)
        files = descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes()).file
    echo = next(file for file in files if file.name == "echo.proto")
    echo.ClearField("source_code_info")
    # The same bytes as the gateway's, which may run in this process and load them too.
    pool.AddSerializedFile(echo.SerializeToString())
    service: ServiceDescriptor = pool.FindServiceByName(SERVICE)
    return service


def message(name: str, **fields: Any) -> Any:
    """Returns a message of the service."""
    return message_type(name)(**fields)


def message_type(name: str) -> Any:
    """Returns the class of a message of the service."""
    found = echo_descriptor().file.message_types_by_name[name]
    return message_factory.GetMessageClass(found)


@dataclass
class EchoService:
    """The methods, and what they have seen.

    Attributes:
        open: How many streams are being answered.
        received: How many messages of clients have been read.
        sent: How many messages of floods and counts were taken by gRPC.
        metadata: What the last call brought.
        refusal: How to refuse every conversation.
        cancelled: How many client streams were cancelled.
        rooms: Where each message of conversations belongs.
    """

    open: int = 0
    received: int = 0
    sent: int = 0
    metadata: dict[str, Any] | None = None
    refusal: grpc.StatusCode | None = None
    cancelled: int = 0
    rooms: list[str] = field(default_factory=list)

    async def say(self, request: Any, context: Any) -> Any:
        """Says a word back."""
        response = message("SayResponse")
        response.said.words.extend([request.word] * request.times)
        response.said.tone = request.tone
        response.said.notes.update(request.notes)
        response.said.since.CopyFrom(request.since)
        return response

    async def who_am_i(self, request: Any, context: Any) -> Any:
        """Says which request asks."""
        return message("WhoAmIResponse", request_id=str(dict(context.invocation_metadata())["x-request-id"]))

    async def count(self, request: Any, context: Any) -> AsyncIterator[Any]:
        """Counts."""
        self.open += 1
        self.metadata = dict(context.invocation_metadata())
        try:
            number = int(request.last_event_id or 0)
            while not request.until or number < request.until:
                number += 1
                await asyncio.sleep(request.pause_milliseconds / 1000)
                if number == request.fail_at:
                    await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too far")
                counted = message("Number", value=number, padding="x" * request.padding)
                kind = "round" if number % 10 == 0 else "number"
                yield message("CountResponse", number_id=str(number), **{kind: counted})
                self.sent += 1
        finally:
            self.open -= 1

    async def play(self, request: Any, context: Any) -> AsyncIterator[Any]:
        """Plays."""
        self.open += 1
        self.metadata = dict(context.invocation_metadata())
        try:
            for part in range(1, request.parts + 1):
                if part > 1:
                    await asyncio.sleep(request.pause_milliseconds / 1000)
                if part == request.fail_at:
                    await context.abort(grpc.StatusCode.UNAVAILABLE, "as asked")
                content_type = (request.content_type or "audio/wav") if part == 1 else ""
                yield HttpBody(content_type=content_type, data=bytes([part % 256]) * request.part_bytes)
                self.sent += 1
        finally:
            self.open -= 1

    async def collect(self, requests: AsyncIterator[Any], context: Any) -> Any:
        """Joins words."""
        self.open += 1
        try:
            words = []
            async for request in requests:
                self.received += 1
                words.append(request.word)
            return message("CollectResponse", text=" ".join(words))
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.open -= 1

    async def talk(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        """Says back."""
        if self.refusal is not None:
            await context.abort(self.refusal, "as the test asked")
        self.open += 1
        self.metadata = dict(context.invocation_metadata())
        try:
            async for request in requests:
                self.received += 1
                self.rooms.append(request.room)
                match request.WhichOneof("request"):
                    case "audio":
                        yield message("TalkResponse", room=request.room, audio=request.audio)
                    case "flood":
                        for number in range(request.flood):
                            yield message("TalkResponse", flooded=number, room="x" * 1000)
                            self.sent += 1
                    case "fail":
                        await _fail(context, request.fail)
                    case "sleep_milliseconds":
                        await asyncio.sleep(request.sleep_milliseconds / 1000)
                    case "stop":
                        return
                    case _:
                        yield message("TalkResponse", room=request.room, said=request.say)
        finally:
            self.open -= 1

    def handlers(self) -> dict[str, Any]:
        """Returns gRPC's handlers by the names of the methods."""
        shapes = {
            "Say": (grpc.unary_unary_rpc_method_handler, self.say),
            "WhoAmI": (grpc.unary_unary_rpc_method_handler, self.who_am_i),
            "Count": (grpc.unary_stream_rpc_method_handler, self.count),
            "Play": (grpc.unary_stream_rpc_method_handler, self.play),
            "Collect": (grpc.stream_unary_rpc_method_handler, self.collect),
            "Talk": (grpc.stream_stream_rpc_method_handler, self.talk),
        }
        return {
            name: shape(
                behave, message_type(f"{name}Request").FromString, lambda each: each.SerializeToString()
            )
            for name, (shape, behave) in shapes.items()
        }


async def _fail(context: Any, name: str) -> None:
    """Ends a call with an error as services of this repository have it, or with a bare status."""
    error = _ERRORS.get(name)
    if error is None:
        await context.abort(grpc.StatusCode[name], "as asked")
    else:
        await context.abort(*errors.encode(error))


async def serve_echo(echo: EchoService, address: str = "127.0.0.1:0") -> tuple[grpc.aio.Server, str]:
    """Serves by plain gRPC, without a line of the chassis; returns the server and its address."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, echo.handlers()),))
    host, _, _ = address.rpartition(":")
    port = server.add_insecure_port(address)
    await server.start()
    return server, f"{host}:{port}"


async def _serve_until_killed(address: str) -> None:
    server, _ = await serve_echo(EchoService(), address)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(_serve_until_killed(sys.argv[1]))
