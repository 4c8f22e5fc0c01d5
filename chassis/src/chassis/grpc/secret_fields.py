"""Which fields the protos declare secret, for the log's redaction."""

from collections.abc import Iterable

from google.protobuf.descriptor import Descriptor, ServiceDescriptor
from vestibule.api.v1 import options_pb2


def secret_fields(services: Iterable[ServiceDescriptor]) -> frozenset[str]:
    """Returns the names of all secret fields in the services' requests and responses."""
    seen: dict[str, Descriptor] = {}
    waiting = [
        message
        for service in services
        for method in service.methods
        for message in (method.input_type, method.output_type)
    ]
    while waiting:
        message = waiting.pop()
        if message.full_name not in seen:
            seen[message.full_name] = message
            waiting += [field.message_type for field in message.fields if field.message_type is not None]
    return frozenset(
        field.name
        for message in seen.values()
        for field in message.fields
        if field.GetOptions().Extensions[options_pb2.field].secret
    )
