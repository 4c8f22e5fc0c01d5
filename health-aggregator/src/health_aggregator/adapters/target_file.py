"""Reads targets and webhooks from the configuration file (`HEALTH_CONFIG`).

    [defaults]
    interval_seconds = 2

    [targets.search]
    kind = "http"
    url = "http://search:8080/ready"
    critical = true
    depends_on = ["postgres"]

    [[webhooks]]
    url = "https://example.org/hooks/health"
    secret_file = "/run/secrets/webhook"

A faulty file is refused as a whole.
"""

from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from chassis.dataclass import dataclass
from chassis.redis_connection import check_url
from chassis.setting_types import check_readable
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from chassis import tls
from health_aggregator.adapters.document import read_document
from health_aggregator.domain.damping import DampingRules
from health_aggregator.domain.errors import TargetsRefused
from health_aggregator.domain.target import Cadence, Target

_PORT_MAX = 65_535


def _url(value: str) -> str:
    check_readable(value)
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
        raise ValueError("expected a URL such as http://host:8080/ready")
    return value


def _postgres_url(value: str) -> str:
    check_readable(value)
    return value


def _redis_url(value: str) -> str:
    check_url(value)
    return value


def _address(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not (host and port.isascii() and port.isdigit() and 0 < int(port[:6]) <= _PORT_MAX):
        raise ValueError("expected host:port")
    return value


def _authorities(value: str) -> str:
    if not Path(value).is_file():
        raise ValueError("expected the path of an existing file")
    try:
        tls.client_context(value, "ca_file")
    except OSError as error:
        raise ValueError("expected a PEM file of certificate authorities") from error
    return value


_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
_Url = Annotated[str, AfterValidator(_url)]
_Address = Annotated[str, AfterValidator(_address)]
_Authorities = Annotated[str, AfterValidator(_authorities)]


class _Table(BaseModel):
    """A table of the file. A secret may be in a file of its own, named by `<name>_file`."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _read_files(cls, table: Any) -> Any:
        read = dict(table) if isinstance(table, dict) else {}
        for name in {"url", "api_key", "secret"} & cls.model_fields.keys():
            path = read.pop(f"{name}_file", None)
            if path is not None:
                try:
                    read[name] = Path(path).read_text("utf-8").strip()
                except (OSError, TypeError, ValueError) as error:
                    raise ValueError(f"{name}_file: expected the path of a readable file") from error
        return read or table


class _Defaults(_Table):
    interval_seconds: Annotated[float, Field(ge=0.1, le=3600)] | None = None
    timeout_seconds: Annotated[float, Field(ge=0.01, le=60)] | None = None
    confirm_seconds: Annotated[float, Field(ge=0.01, le=60)] | None = None
    backoff_limit: Annotated[float, Field(ge=1, le=100)] | None = None
    failures_to_down: Annotated[int, Field(ge=2, le=20)] | None = None
    successes_to_up: Annotated[int, Field(ge=1, le=20)] | None = None


class _Target(_Defaults):
    critical: bool = False
    enabled: bool = True
    depends_on: list[_Text] = []


class _Grpc(_Target):
    kind: Literal["grpc"]
    address: _Address
    service: _Text | None = None
    tls: bool | None = None
    ca_file: _Authorities | None = None


class _Http(_Target):
    kind: Literal["http", "nextcloud"]
    url: _Url
    ca_file: _Authorities | None = None


class _Postgres(_Target):
    kind: Literal["postgres"]
    url: Annotated[_Text, AfterValidator(_postgres_url)]


class _Redis(_Target):
    kind: Literal["redis"]
    url: Annotated[_Text, AfterValidator(_redis_url)]


class _Qdrant(_Target):
    kind: Literal["qdrant"]
    url: _Url
    api_key: _Text | None = None
    collections: list[_Text] | None = None


class _Tls(_Target):
    kind: Literal["tls"]
    address: _Address
    server_name: _Text | None = None
    ca_file: _Authorities | None = None
    warn_days: Annotated[float, Field(ge=0, le=3650)] | None = None


class _Kubernetes(_Target):
    kind: Literal["kubernetes"]
    selector: _Text
    service: _Text | None = None
    wanted: Annotated[int, Field(ge=1, le=10_000)] | None = None


_AnyTarget = Annotated[
    _Grpc | _Http | _Postgres | _Redis | _Qdrant | _Tls | _Kubernetes, Field(discriminator="kind")
]

_KINDS = "grpc, http, nextcloud, postgres, redis, qdrant, tls, kubernetes"


class Webhook(_Table):
    """A receiver of changes.

    Attributes:
        url: Its URL.
        secret: Key of the signature.
    """

    url: _Url
    secret: _Text = Field(repr=False)


class _Content(_Table):
    defaults: _Defaults = _Defaults()
    targets: dict[str, _AnyTarget] = {}
    webhooks: list[Webhook] = []


@dataclass(frozen=True, slots=True)
class Configuration:
    """The content of the file."""

    targets: tuple[Target, ...] = ()
    webhooks: tuple[Webhook, ...] = ()


def read_configuration(path: Path) -> Configuration:
    """Returns the content of a file.

    Raises:
        TargetsRefused: the file cannot be read, or is faulty; names the line or the value.
    """
    try:
        content = _Content.model_validate(read_document(path))
    except ValidationError as error:
        raise TargetsRefused(path.name, _problem(error)) from error
    defaults = content.defaults.model_dump(exclude_unset=True)
    targets = (
        _target(name, defaults | table.model_dump(exclude_unset=True))
        for name, table in content.targets.items()
    )
    return Configuration(tuple(targets), tuple(content.webhooks))


def _target(name: str, values: dict[str, Any]) -> Target:
    def take(names: Iterable[str]) -> dict[str, Any]:
        return {option: values.pop(option) for option in names if option in values}

    cadence = {option: float(value) for option, value in take(each.name for each in fields(Cadence)).items()}
    damping = take(each.name for each in fields(DampingRules))
    return Target(
        name=name,
        cadence=Cadence(**cadence),
        damping=DampingRules(**damping),
        depends_on=tuple(values.pop("depends_on", ())),
        **take(("kind", "critical", "enabled")),
        options=values,
    )


def _problem(error: ValidationError) -> str:
    """Returns the first fault, with its place. It never quotes a value, which may be secret."""
    fault = error.errors(include_input=False, include_url=False)[0]
    place = [str(part) for part in fault["loc"]]
    if place[:1] == ["targets"]:
        del place[2:3]  # The target's kind, which is no part of the file's structure.
    match fault["type"]:
        case "extra_forbidden":
            problem = "unknown name"
        case "missing":
            problem = "is missing"
        case "union_tag_not_found" | "union_tag_invalid":
            problem = f"kind: expected one of {_KINDS}"
        case _:
            problem = fault["msg"].removeprefix("Value error, ")
    return f"{'.'.join(place) or 'the file'}: {problem}"
