"""Random messages to every RPC of every service: no answer reveals a bug.

Texts come out of earlier answers as well, so that calls meet what others have made.
"""

import asyncio
import dataclasses
import os
import random
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from typing import Any

import grpc
import grpc.aio
import pytest
from chassis.grpc.call import SERVICE_IDENTITY_KEY
from chassis.grpc.policy import Policy, service_policies
from devstack.topology import PROTO_PACKAGES
from gateway.api.descriptors import load
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from vestibule.api.v1 import options_pb2

from tests.system.client import PASSWORD, Client, User
from tests.system.running_system import System

CASES = int(os.environ.get("FUZZ_CASES", "800"))
ENDS_THE_SESSION = {"Logout", "LogoutAll", "EndAllSessions"}
NEED_A_PERSON = {
    options_pb2.ACCESS_SIGNED_IN,
    options_pb2.ACCESS_ADMIN,
    options_pb2.ACCESS_ADMIN_OR_SELF,
}
BUGS = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNIMPLEMENTED}

TEXTS = (
    "",
    "a",
    "\x00",
    "\ud7ff\u202e",
    "x" * 10_000,
    "' OR 1=1 --",
    "ada@example.com",
    PASSWORD,
    "00000000-0000-7000-8000-000000000000",
    "-1",
    "\U0001f600" * 200,
    "%00%0d%0a",
    "{}",
)
SEEN_MAX = 300
SEEN_SHARE = 0.4
"""How many texts of answers are remembered, and how often one of them is sent."""

NUMBERS = (0, 1, -1, 2**31 - 1, -(2**31), 100, 101)


@dataclasses.dataclass
class Prober:
    """Sends messages as an admin on whom nothing else depends, and remembers texts of the answers.

    Attributes:
        operator: The admin who makes that one, and is spared.
    """

    system: System
    client: Client
    operator: User
    chance: random.Random
    seen: deque[str] = dataclasses.field(default_factory=lambda: deque(TEXTS, maxlen=SEEN_MAX))
    boss: User | None = None

    async def probe(self, channel: grpc.aio.Channel, policy: Policy) -> str | None:
        """Makes one call; returns a description of the bug that it finds, if any."""
        raw = _bytes(policy, self.chance, self.seen)
        if self.operator.id.encode() in raw:
            return None
        code, details, answer = await self._ask(channel, policy, raw)
        if code in BUGS:
            return f"{policy.path} {code.name} {details!r} to {raw[:200]!r}"
        if code is grpc.StatusCode.UNAUTHENTICATED and policy.access in NEED_A_PERSON:
            self.boss = None
        self.seen.extend(_texts(GetMessageClass(policy.descriptor.output_type).FromString(answer)))
        return None

    async def _ask(
        self, channel: grpc.aio.Channel, policy: Policy, raw: bytes
    ) -> tuple[grpc.StatusCode, str, bytes]:
        self.boss = self.boss or self._new_boss()
        caller = min(policy.services or {"gateway"})
        metadata = (
            (SERVICE_IDENTITY_KEY, self.system.service_token(caller, policy.audience)),
            ("authorization", f"Bearer {self.boss.access_token}"),
        )
        answers: Any = channel.unary_stream(policy.path)
        answer: Any = channel.unary_unary(policy.path)
        try:
            if policy.descriptor.server_streaming:
                call = answers(raw, metadata=metadata, timeout=10)
                first = await call.read()
                call.cancel()
                return grpc.StatusCode.OK, "", first if isinstance(first, bytes) else b""
            return grpc.StatusCode.OK, "", await answer(raw, metadata=metadata, timeout=20)
        except grpc.aio.AioRpcError as error:
            return error.code(), error.details() or "", b""
        except asyncio.CancelledError:
            return grpc.StatusCode.OK, "", b""

    def _new_boss(self) -> User:
        user = self.client.register()
        operator = self.client.sign_in(self.operator)
        self.client.put(f"/api/users/{user.id}", token=operator.access_token, json={"role": "admin"})
        return self.client.sign_in(user)


@pytest.mark.nightly
async def test_any_message(system: System, client: Client, first_admin: User) -> None:
    """Messages with odd fields, and bytes that are no message; FUZZ_SEED repeats a run."""
    seed = int(os.environ.get("FUZZ_SEED", random.randrange(10**6)))
    prober = Prober(system, client, first_admin, random.Random(seed))
    bugs: list[str] = []
    async with AsyncExitStack() as stack:
        methods = []
        for package, service in PROTO_PACKAGES.items():
            channel = await stack.enter_async_context(grpc.aio.insecure_channel(system.grpc(service.name)))
            methods.append([(channel, policy) for policy in _policies(package)])
        for number in range(CASES):
            found = await prober.probe(*prober.chance.choice(methods[number % len(methods)]))
            bugs += [found] if found else []

    assert not bugs, f"FUZZ_SEED={seed}"
    assert len(prober.seen) > 2 * len(TEXTS), "answers held no texts to send again"


def _policies(package: str) -> list[Policy]:
    return [
        policy
        for declared in load().services
        if declared.full_name.startswith(f"{package}.")
        for policy in service_policies(declared)
        if policy.descriptor.name not in ENDS_THE_SESSION
    ]


def _texts(message: Message) -> Iterator[str]:
    """Yields every text in an answer: ids, tokens, addresses."""
    for field, value in message.ListFields():
        for each in value if field.is_repeated else [value]:
            if isinstance(each, Message):
                yield from _texts(each)
            elif isinstance(each, str) and 8 <= len(each) <= 600:
                yield each


def _bytes(policy: Policy, chance: random.Random, seen: Sequence[str]) -> bytes:
    message = GetMessageClass(policy.descriptor.input_type)()
    _fill(message, chance, seen)
    raw = bytearray(message.SerializeToString())
    if chance.random() < 0.3:
        for _ in range(chance.randrange(1, 4)):
            raw.insert(chance.randrange(len(raw) + 1), chance.randrange(256))
    return bytes(raw)


def _fill(message: Message, chance: random.Random, seen: Sequence[str], depth: int = 0) -> None:
    for field in message.DESCRIPTOR.fields:
        is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
        if chance.random() < 0.2 or depth > 2 or is_map:
            continue
        for value in _values(field, chance, seen):
            if field.message_type is not None:
                inner = getattr(message, field.name)
                _fill(inner.add() if field.is_repeated else inner, chance, seen, depth + 1)
            elif field.is_repeated:
                getattr(message, field.name).append(value)
            else:
                setattr(message, field.name, value)


def _values(field: FieldDescriptor, chance: random.Random, seen: Sequence[str]) -> Iterator[Any]:
    for _ in range(chance.randrange(4) if field.is_repeated else 1):
        if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
            text = chance.choice(seen if chance.random() < SEEN_SHARE else TEXTS)
            yield text.encode() if field.type == FieldDescriptor.TYPE_BYTES else text
        elif field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
            yield chance.random() < 0.5
        elif field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
            yield chance.randrange(5)
        elif field.cpp_type in {FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT}:
            yield chance.choice((0.0, -1.0, float("nan"), float("inf")))
        elif field.cpp_type in {FieldDescriptor.CPPTYPE_UINT32, FieldDescriptor.CPPTYPE_UINT64}:
            yield abs(chance.choice(NUMBERS))
        else:
            yield chance.choice(NUMBERS)
