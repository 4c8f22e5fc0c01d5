"""The policy of a method, read once from its descriptor."""

from collections.abc import Iterable

from google.api import annotations_pb2
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from vestibule.api.v1 import options_pb2

from chassis.dataclass import dataclass
from chassis.grpc.stream_policy import STREAM_SECONDS_MAX, stream_problem, streams

ADMIN_SCOPE = "admin"
"""The scope that an API key needs for admin methods, besides `read` or `write`."""

EDGE = "gateway"
"""The only service that may call methods with a route."""

BODY_BYTES_MAX = 8 * 1024 * 1024
"""The most that `body_bytes` may allow."""

_REPEATABLE = (
    descriptor_pb2.MethodOptions.NO_SIDE_EFFECTS,
    descriptor_pb2.MethodOptions.IDEMPOTENT,
)


class PolicyMissingError(Exception):
    """A method has no policy, or one that cannot be enforced."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The policy of one method.

    Attributes:
        path: As gRPC names the method: `/package.Service/Method`.
        descriptor: The method.
        options: The whole `MethodPolicy`, with fields that only the gateway uses.
        access: A value of `vestibule.api.v1.Access`.
        services: The services that may call; None if any caller may.
        audience: The required audience of service tokens: the service that serves the method.
        deadline_seconds: The call's deadline; None if the protos have none.
        read_only: Whether a call changes nothing.
        repeatable: Whether a call is idempotent.
    """

    path: str
    descriptor: MethodDescriptor
    options: options_pb2.MethodPolicy
    access: options_pb2.Access.ValueType
    services: frozenset[str] | None
    audience: str
    deadline_seconds: float | None
    read_only: bool
    repeatable: bool

    @property
    def key_scopes(self) -> frozenset[str] | None:
        """All scopes that an API key needs; None if no key may call."""
        options = self.options
        if (options.session_only or self.max_auth_age_seconds) and not options.HasField("keys_may"):
            return None
        scope = "read" if self.reads else "write"
        return frozenset({scope, ADMIN_SCOPE} if self.access == options_pb2.ACCESS_ADMIN else {scope})

    @property
    def reads(self) -> bool:
        """Whether an API key needs `read`, not `write`: as declared, or for GET and read-only methods."""
        if self.options.scope:
            return self.options.scope == options_pb2.SCOPE_READ
        return self.read_only or bool(self.descriptor.GetOptions().Extensions[annotations_pb2.http].get)

    @property
    def takes_idempotency_key(self) -> bool:
        """Whether a client may name a call, so that sending it again returns the first response.

        So it is with every POST that changes something and is answered by one message.
        """
        is_post = bool(self.descriptor.GetOptions().Extensions[annotations_pb2.http].post)
        return is_post and not self.read_only and not streams(self.descriptor)

    @property
    def max_auth_age_seconds(self) -> int:
        """How long ago the caller may have authenticated; 0 for any time."""
        return self.options.max_auth_age.seconds

    @property
    def stream_seconds(self) -> float:
        """How long a stream of the method may last."""
        return self.options.stream.lifetime.ToNanoseconds() / 1e9 or STREAM_SECONDS_MAX


def method_policy(method: MethodDescriptor) -> Policy:
    """Reads a method's policy.

    Raises:
        PolicyMissingError: it has none, or none that can be enforced.
    """
    options = method.GetOptions()
    policy = options.Extensions[options_pb2.policy]
    name = method.full_name
    if policy.access == options_pb2.ACCESS_UNSPECIFIED:
        raise PolicyMissingError(f"{name} does not say who may call it: option (vestibule.api.v1.policy)")
    routed = options.HasExtension(annotations_pb2.http)
    if policy.services and not routed and policy.access != options_pb2.ACCESS_SERVICE:
        raise PolicyMissingError(f"{name}: `services` needs a route or ACCESS_SERVICE")
    if policy.access == options_pb2.ACCESS_SERVICE and not policy.services:
        raise PolicyMissingError(f"{name}: ACCESS_SERVICE needs `services`")
    if (
        policy.access == options_pb2.ACCESS_ADMIN_OR_SELF
        and "user_id" not in method.input_type.fields_by_name
    ):
        raise PolicyMissingError(
            f"{name}: ACCESS_ADMIN_OR_SELF needs a `user_id` in {method.input_type.name}"
        )
    if not 0 <= policy.body_bytes <= BODY_BYTES_MAX:
        raise PolicyMissingError(f"{name}: `body_bytes` is {BODY_BYTES_MAX} at most")
    if policy.created_field and policy.created_field not in method.output_type.fields_by_name:
        raise PolicyMissingError(f"{name}: {method.output_type.name} has no field `{policy.created_field}`")
    if problem := stream_problem(method, policy):
        raise PolicyMissingError(f"{name}: {problem}")
    deadline = policy.deadline.ToNanoseconds() / 1e9 if policy.HasField("deadline") else None
    return Policy(
        path=f"/{method.containing_service.full_name}/{method.name}",
        descriptor=method,
        options=policy,
        access=policy.access,
        services=_callers(policy, routed=routed),
        audience=audience_of(method.containing_service),
        deadline_seconds=deadline,
        read_only=options.idempotency_level == descriptor_pb2.MethodOptions.NO_SIDE_EFFECTS,
        repeatable=options.idempotency_level in _REPEATABLE,
    )


def _callers(policy: options_pb2.MethodPolicy, *, routed: bool) -> frozenset[str] | None:
    edge = {EDGE} if routed and policy.access != options_pb2.ACCESS_SERVICE else set()
    return frozenset({*policy.services, *edge}) or None


def audience_of(service: ServiceDescriptor) -> str:
    """Returns the name of the program that serves a service, else its proto package."""
    return service.GetOptions().Extensions[options_pb2.served_by] or service.file.package


def service_policies(service: ServiceDescriptor) -> tuple[Policy, ...]:
    """Reads the policies of a service's methods.

    Raises:
        PolicyMissingError: a method has none that can be enforced.
    """
    return tuple(method_policy(method) for method in service.methods)


def find_service(full_name: str) -> ServiceDescriptor:
    """Returns a service that an imported stub has declared.

    Raises:
        KeyError: no imported stub declares it.
    """
    service: ServiceDescriptor = descriptor_pool.Default().FindServiceByName(full_name)  # type: ignore[no-untyped-call]
    return service


def policies_by_path(services: Iterable[ServiceDescriptor]) -> dict[str, Policy]:
    """Reads the policies of several services."""
    return {policy.path: policy for service in services for policy in service_policies(service)}
