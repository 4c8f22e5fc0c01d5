"""Settings from the environment: read once, frozen, and explained when they are wrong."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Literal, Self, TypeVar, Union, cast, get_args, get_origin

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from chassis.redis_connection import with_authorities
from chassis.secrets import weakness, weakness_of_url
from chassis.setting_types import HttpUrl, RedisUrl, check_readable

Settings = TypeVar("Settings", bound=BaseSettings)


class EnvironmentSettings(BaseSettings):
    """What all classes of settings share."""

    # Only what is instantiated is built: a process reads one of these classes and imports several.
    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_ignore_empty=True, defer_build=True, allow_inf_nan=False
    )

    @field_validator("*", mode="before")
    @classmethod
    def _has_readable_urls(cls, value: object) -> object:
        if isinstance(value, str) and ("://" in value or (":/" in value and "@" in value)):
            check_readable(value)
        return value


class RedisSettings(EnvironmentSettings):
    """Where Redis is."""

    redis_url: RedisUrl = Field(
        validation_alias="REDIS_URL", description="where Redis or Valkey is, such as redis://127.0.0.1:6379/0"
    )
    redis_ca_file: Path | None = Field(
        default=None,
        validation_alias="REDIS_CA_FILE",
        description="PEM file of who may sign the certificate of Redis, for rediss://; this machine's"
        " authorities when not set",
    )

    @property
    def redis_url_with_authorities(self) -> str:
        """What connections are opened by: the URL, with the file of authorities if one is set."""
        return with_authorities(self.redis_url.get_secret_value(), self.redis_ca_file)

    @model_validator(mode="after")
    def _has_tls_for_its_authorities(self) -> Self:
        _ = self.redis_url_with_authorities
        return self


class ServiceSettings(RedisSettings):
    """What every program reads; subclasses add their own under `env_prefix`.

        class AuthSettings(GrpcServiceSettings):
            model_config = SettingsConfigDict(env_prefix="AUTH_")
            postgres_url: SecretStr = Field(description="where the schema `auth` is")

    A field's description becomes the hint when the variable is missing or wrong. Secrets
    are `SecretStr`, so that nothing prints them. An empty variable counts as not set.
    """

    model_config = SettingsConfigDict(populate_by_name=True)

    profile: Literal["standard", "strict"] = Field(
        default="standard",
        validation_alias="PROFILE",
        description="`standard`, or `strict` for patients' data: weak secrets and missing TLS are refused",
    )
    log_format: Literal["json", "console"] = Field(default="json", validation_alias="LOG_FORMAT")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", validation_alias="LOG_LEVEL"
    )
    service_key_file: Path = Field(
        validation_alias="SERVICE_KEY_FILE",
        description="PEM file of this service's own key: `openssl ecparam -name prime256v1 -genkey -noout`",
    )
    service_trust_dir: Path = Field(
        validation_alias="SERVICE_TRUST_DIR",
        description="folder with the public keys of every service, one file each: <service>.pem",
    )
    service_key: SecretStr | None = Field(
        default=None,
        validation_alias="SERVICE_KEY",
        min_length=32,
        description="the secret that the services of the last release share, 32 characters or more; only"
        " during an upgrade from it",
    )
    otel_exporter_otlp_endpoint: HttpUrl | None = Field(
        default=None,
        validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT",
        description="where traces go, such as http://127.0.0.1:4317",
    )
    trace_ratio: float = Field(default=0.01, ge=0.0, le=1.0, validation_alias="TRACE_RATIO")
    shutdown_grace_seconds: float = Field(default=10.0, ge=0.0, validation_alias="SHUTDOWN_GRACE_SECONDS")
    shutdown_linger_seconds: float = Field(
        default=0.0,
        ge=0.0,
        validation_alias="SHUTDOWN_LINGER_SECONDS",
        description="how long to serve on after the stop signal, as long as DNS answers may be cached",
    )
    jwks_refresh_seconds: float = Field(
        default=300.0,
        ge=0.1,
        le=300.0,
        validation_alias="JWKS_REFRESH_SECONDS",
        description="how often the keys that verify tokens are fetched, at least every five minutes",
    )
    revision: str = Field(
        default="unknown",
        validation_alias="VESTIBULE_REVISION",
        description="the commit that the program was built from; images have it set",
    )
    tls_cert_file: Path | None = Field(
        default=None, validation_alias="TLS_CERT_FILE", description="PEM file of the service's certificate"
    )
    tls_key_file: Path | None = Field(
        default=None, validation_alias="TLS_KEY_FILE", description="PEM file of its key"
    )
    tls_ca_file: Path | None = Field(
        default=None, validation_alias="TLS_CA_FILE", description="PEM file of who signs for all services"
    )

    ssl_cert_file: Path | None = Field(
        default=None,
        validation_alias="SSL_CERT_FILE",
        description="PEM file of authorities besides this machine's, for what no other setting names one",
    )

    @property
    def is_strict(self) -> bool:
        """Whether the strict profile is on."""
        return self.profile == "strict"

    def shortcomings(self) -> list[str]:
        """Returns what the strict profile refuses about these settings, a line each; none in another profile.

        Subclasses add their own.
        """
        if not self.is_strict:
            return []
        found = []
        if self.tls_files is None:
            found.append("TLS between the services is off: set TLS_CERT_FILE, TLS_KEY_FILE and TLS_CA_FILE")
        for field, weak in self._weaknesses():
            found.append(f"{environment_name(type(self), field)} is not safe: {weak}")
        return found

    def _weaknesses(self) -> Iterator[tuple[str, str]]:
        """Gives each field that holds an unsafe secret, and what is unsafe about it."""
        for field in sorted(secret_names(type(self))):
            value = getattr(self, field)
            if value is None or field == "postgres_password":
                continue
            text = value.get_secret_value()
            given = getattr(self, "postgres_password", None) if field == "postgres_url" else None
            password = None if given is None else given.get_secret_value()
            weak = weakness_of_url(text, password) if "://" in text else weakness(text)
            if weak is not None:
                yield field, weak

    @property
    def tls_files(self) -> tuple[Path, Path, Path] | None:
        """Certificate, key and authority for TLS between services; None when it is off."""
        certificate, key, authority = self.tls_cert_file, self.tls_key_file, self.tls_ca_file
        if certificate is None or key is None or authority is None:
            return None
        return certificate, key, authority

    @model_validator(mode="after")
    def _is_tls_whole(self) -> Self:
        files = (self.tls_cert_file, self.tls_key_file, self.tls_ca_file)
        if None in files and files != (None, None, None):
            raise ValueError("TLS_CERT_FILE, TLS_KEY_FILE and TLS_CA_FILE go together: set all three or none")
        return self


class MigrationSettings(EnvironmentSettings):
    """The settings of `python -m <package> migrate`, under the service's prefix."""

    migration_postgres_url: SecretStr = Field(
        description="where the service's schema is, with the role that owns it:"
        " postgresql://<schema>_owner:…@host/database"
    )


class ProvisionSettings(EnvironmentSettings):
    """The settings of `python -m <package> provision`, under the service's prefix."""

    admin_postgres_url: SecretStr = Field(
        description="the database, with a role that may create roles and schemas"
    )
    owner_password: SecretStr = Field(description="the password that the schema's owner gets")
    runtime_password: SecretStr = Field(description="the password that the role of the service gets")


class GrpcServiceSettings(ServiceSettings):
    """What a service behind the gateway reads besides: its two ports, under its prefix."""

    http_host: str = Field(default="127.0.0.1", description="address for /metrics, /health and /ready")
    http_port: int = Field(ge=0, le=65535, description="port for /metrics, /health and /ready")
    grpc_host: str = Field(default="127.0.0.1", description="address for gRPC")
    postgres_password: SecretStr | None = Field(
        default=None,
        validation_alias="PGPASSWORD",
        description="the password to Postgres, when its URL has none",
    )
    grpc_port: int = Field(ge=0, le=65535, description="port for gRPC")


def load(settings: type[Settings], *, exit_status: int = 1) -> Settings:
    """Reads the environment; when it is wrong, says what to correct and ends the program.

    Args:
        settings: The class that describes them.
        exit_status: What the program ends with; a job ends with `exits.CONFIG`, and is not tried again.

    Raises:
        SystemExit: with that status, after one line for each wrong variable on stderr.
    """
    try:
        found = settings()
        lines = found.shortcomings() if isinstance(found, ServiceSettings) else []
        if not lines:
            return found
        lines = [f"PROFILE=strict refuses to start: {line}" for line in lines]
    except ValidationError as error:
        lines = [
            _explain(settings, problem["loc"], problem["type"], problem["msg"]) for problem in error.errors()
        ]
    except SettingsError as error:
        lines = [_explain_unparsable(settings, error)]
    for line in lines:
        print(line, file=sys.stderr)  # noqa: T201 - there is no log before there are settings
    sys.exit(exit_status)


def prefixed(settings: type[Settings], env_prefix: str) -> type[Settings]:
    """Returns the class with the prefix of a service's variables, such as `USERS_`."""
    namespace = {"__module__": settings.__module__, "model_config": SettingsConfigDict(env_prefix=env_prefix)}
    return cast("type[Settings]", type(settings.__name__, (settings,), namespace))


def environment_name(settings: type[BaseSettings], field: str) -> str:
    """Returns the name of the variable that sets a field."""
    info = settings.model_fields.get(field)
    if info is not None and isinstance(info.validation_alias, str):
        return info.validation_alias
    if any(known.validation_alias == field for known in settings.model_fields.values()):
        return field
    return f"{settings.model_config.get('env_prefix', '')}{field}".upper()


def secret_names(settings: type[BaseSettings]) -> frozenset[str]:
    """Returns the names of the fields that hold secrets, for the log's redaction."""
    return frozenset(name for name, info in settings.model_fields.items() if _is_secret(info))


def _explain(settings: type[BaseSettings], location: tuple[int | str, ...], kind: str, message: str) -> str:
    if not location:
        return f"settings: {message.removeprefix('Value error, ')}"
    field = str(location[0])
    name = environment_name(settings, field)
    info = _field(settings, field)
    hint = f" It is {info.description}." if info is not None and info.description else ""
    if kind == "missing":
        return f"{name} is not set: set it.{hint}"
    text = message.removeprefix("Value error, ")
    return f"{name} is wrong: {text[:1].lower()}{text[1:]}.{hint} Correct it and start again."


def _explain_unparsable(settings: type[BaseSettings], error: SettingsError) -> str:
    for field in settings.model_fields:
        if f'"{field}"' in str(error):
            return (
                f"{environment_name(settings, field)} is wrong: it is not JSON. Correct it and start again."
            )
    return "settings: a variable could not be parsed."


def _field(settings: type[BaseSettings], name: str) -> FieldInfo | None:
    for field, info in settings.model_fields.items():
        if name in (field, info.validation_alias):
            return info
    return None


def _is_secret(info: FieldInfo) -> bool:
    annotation = info.annotation
    choices = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    # A choice with checks of its own is `Annotated[SecretStr, …]`.
    return any(SecretStr in (choice, *get_args(choice)) for choice in choices)
