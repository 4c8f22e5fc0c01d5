"""Every RPC of every service, asked by hand with messages made at random: no answer is a bug."""

import asyncio
import os
import random
from collections.abc import Iterator
from typing import Any

import grpc
import grpc.aio
import pytest
from chassis.grpc.call import SERVICE_TOKEN_KEY
from chassis.grpc.policy import Policy, service_policies
from chassis.identity.service_tokens import ServiceTokens
from devstack.topology import PROTO_PACKAGES
from gateway.api.descriptors import load
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from tests.system.edge import Edge, Person
from tests.system.house import House

CASES = int(os.environ.get("FUZZ_CASES", "800"))
ENDS_THE_SESSION = {"Logout", "LogoutAll"}
BUGS = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNIMPLEMENTED}

TEXTS = (
    "",
    "a",
    "\x00",
    "\ud7ff\u202e",
    "x" * 10_000,
    "' OR 1=1 --",
    "ada@example.com",
    "00000000-0000-7000-8000-000000000000",
    "-1",
    "\U0001f600" * 200,
    "%00%0d%0a",
    "{}",
)
NUMBERS = (0, 1, -1, 2**31 - 1, -(2**31), 100, 101)


@pytest.fixture(name="boss")
def _boss(edge: Edge, admin: Person) -> Person:
    """An admin of whom nothing else depends."""
    person = edge.join()
    edge.put(f"/api/users/{person.id}", token=admin.access_token, json={"role": "admin"})
    return edge.sign_in(person)


async def test_any_message(house: House, boss: Person) -> None:
    """Whole messages with odd fields, and bytes that are none; FUZZ_SEED makes the same again."""
    seed = int(os.environ.get("FUZZ_SEED", random.randrange(10**6)))
    chance = random.Random(seed)
    bugs: list[str] = []
    for package, service in PROTO_PACKAGES.items():
        async with grpc.aio.insecure_channel(house.grpc(service.name)) as channel:
            policies = [
                policy
                for declared in load().services
                if declared.full_name.startswith(f"{package}.")
                for policy in service_policies(declared)
                if policy.descriptor.name not in ENDS_THE_SESSION
            ]
            for _ in range(CASES // len(PROTO_PACKAGES)):
                policy = chance.choice(policies)
                raw = _bytes(policy, chance)
                code, details = await _ask(channel, policy, raw, house, boss)
                if code in BUGS:
                    bugs.append(f"{policy.path} {code.name} {details!r} to {raw[:200]!r}")

    assert not bugs, f"FUZZ_SEED={seed}"


async def _ask(
    channel: grpc.aio.Channel, policy: Policy, raw: bytes, house: House, boss: Person
) -> tuple[grpc.StatusCode, str]:
    caller = next(iter(policy.services), "gateway")
    metadata = (
        (SERVICE_TOKEN_KEY, ServiceTokens(house.service_key, caller).mint()),
        ("authorization", f"Bearer {boss.access_token}"),
    )
    answers: Any = channel.unary_stream(policy.path)
    answer: Any = channel.unary_unary(policy.path)
    try:
        if policy.descriptor.server_streaming:
            call = answers(raw, metadata=metadata, timeout=10)
            await call.read()
            call.cancel()
        else:
            await answer(raw, metadata=metadata, timeout=20)
    except grpc.aio.AioRpcError as error:
        return error.code(), error.details() or ""
    except asyncio.CancelledError:
        pass
    return grpc.StatusCode.OK, ""


def _bytes(policy: Policy, chance: random.Random) -> bytes:
    message = GetMessageClass(policy.descriptor.input_type)()
    _fill(message, chance)
    raw = bytearray(message.SerializeToString())
    if chance.random() < 0.3:
        for _ in range(chance.randrange(1, 4)):
            raw.insert(chance.randrange(len(raw) + 1), chance.randrange(256))
    return bytes(raw)


def _fill(message: Message, chance: random.Random, depth: int = 0) -> None:
    for field in message.DESCRIPTOR.fields:
        is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
        if chance.random() < 0.2 or depth > 2 or is_map:
            continue
        for value in _values(field, chance):
            if field.message_type is not None:
                inner = getattr(message, field.name)
                _fill(inner.add() if field.is_repeated else inner, chance, depth + 1)
            elif field.is_repeated:
                getattr(message, field.name).append(value)
            else:
                setattr(message, field.name, value)


def _values(field: FieldDescriptor, chance: random.Random) -> Iterator[Any]:
    for _ in range(chance.randrange(4) if field.is_repeated else 1):
        if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
            text = chance.choice(TEXTS)
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
