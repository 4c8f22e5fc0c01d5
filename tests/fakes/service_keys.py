"""Key pairs of the services for tests: made once per run, as files for processes too."""

import atexit
import functools
import shutil
import tempfile
from pathlib import Path
from typing import Any

from chassis.events import stream
from chassis.grpc.call import SERVICE_IDENTITY_KEY
from chassis.identity.service_keys import ServiceKeys, open_service_keys
from chassis.identity.service_tokens import ServiceTokens
from chassis.identity.signed_events import sign_event
from chassis.ids import uuid7
from chassis.settings import ServiceSettings
from cryptography.hazmat.primitives.asymmetric import ec
from devstack.keys import KeyPairs
from devstack.topology import SERVICES
from vestibule.events.v1.events_pb2 import Event

SHARED_KEY = "a service key that is long enough for tests"
"""What all services of the last release share."""


def service_keys(service: str, *, shared_key: str | None = None) -> ServiceKeys:
    """Returns a service's own key and those it trusts; an unknown service gets one that no service trusts."""
    known = service in {each.name for each in SERVICES}
    keys = _opened(service if known else SERVICES[0].name)
    private = keys.private_key if known else ec.generate_private_key(ec.SECP256R1())
    return ServiceKeys(service, private, {name: keys.keys_of(name) for name in keys.services}, shared_key)


def service_tokens(service: str) -> ServiceTokens:
    """Returns what proves a service's name and verifies those of others."""
    return ServiceTokens(service_keys(service))


def proof(service: str, audience: str) -> tuple[tuple[str, str], ...]:
    """Returns the metadata by which a service proves its name to another."""
    return ((SERVICE_IDENTITY_KEY, service_tokens(service).mint(audience)),)


def entry_of(event: Event, source: str, **changes: bytes) -> dict[Any, Any]:
    """Returns the entry on the stream by which a service publishes an event; what is missing is filled in.

    Args:
        event: What happened.
        source: Who signs it, and is its source unless the event names another.
        changes: What else the entry holds, by field.
    """
    whole = Event()
    whole.CopyFrom(event)
    whole.source = whole.source or source
    whole.event_id = whole.event_id or str(uuid7())
    if not whole.HasField("occurred_at"):
        whole.occurred_at.GetCurrentTime()
    payload = whole.SerializeToString()
    fields = {stream.FIELD: payload, stream.SIGNATURE: sign_event(service_keys(source), payload)}
    return fields | {name.encode(): value for name, value in changes.items()}


def key_settings(service: str) -> dict[str, str]:
    """Returns the settings that lead a process of a service to its keys."""
    return _pairs().environment(service)


@functools.cache
def _pairs() -> KeyPairs:
    folder = Path(tempfile.mkdtemp(prefix="service-keys-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return KeyPairs.kept_in(folder, (service.name for service in SERVICES))


@functools.cache
def _opened(service: str) -> ServiceKeys:
    settings = ServiceSettings.model_validate(key_settings(service) | {"REDIS_URL": "redis://127.0.0.1:1/0"})
    return open_service_keys(service, settings)
