"""What the environment may hold, and what is said when it is wrong."""

from typing import Annotated, Any

import pytest
from auth_service.settings import AuditSettings, AuthSettings, KeySettings, PruneSettings
from chassis.settings import (
    EnvironmentSettings,
    GrpcServiceSettings,
    MigrationSettings,
    ProvisionSettings,
    environment_name,
)
from gateway.settings import GatewaySettings
from health_aggregator.settings import HealthSettings
from knowledge_service.settings import KnowledgeSettings
from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from user_service.settings import UsersSettings
from voice_service.settings import VoiceSettings

from chassis import settings

GOOD = {
    "SERVICE_KEY_FILE": "/keys/stock.key",
    "SERVICE_TRUST_DIR": "/keys/trust",
    "REDIS_URL": "redis://127.0.0.1:6379/0",
    "STOCK_HTTP_PORT": "8001",
    "STOCK_GRPC_PORT": "50051",
    "STOCK_POSTGRES_URL": "postgresql://me:hush@db/x",
}


SERVICES: list[type[BaseSettings]] = [
    AuthSettings,
    UsersSettings,
    GatewaySettings,
    HealthSettings,
    KnowledgeSettings,
    VoiceSettings,
    KeySettings,
    AuditSettings,
    PruneSettings,
    MigrationSettings,
    ProvisionSettings,
]


OURS = {each.__module__.partition(".")[0] for each in SERVICES}


class StockSettings(GrpcServiceSettings):
    """Settings of a made-up service."""

    model_config = SettingsConfigDict(env_prefix="STOCK_")

    postgres_url: SecretStr = Field(description="where the schema `stock` is")
    shelves: dict[str, int] = Field(default_factory=dict)
    checked_secret: Annotated[SecretStr, AfterValidator(lambda secret: secret)] | None = None


@pytest.fixture(autouse=True)
def _good(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)


def refusal(capsys: pytest.CaptureFixture[str]) -> str:
    """Loads settings that are wrong; returns what is said as the program ends with status 1."""
    with pytest.raises(SystemExit) as ended:
        settings.load(StockSettings)
    assert ended.value.code == 1
    return capsys.readouterr().err


def test_prefixed_and_common_variables_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCK_SHELVES", '{"a": 1}')
    monkeypatch.setenv("TRACE_RATIO", "0.5")
    monkeypatch.setenv("STOCK_UNKNOWN", "ignored")
    loaded = settings.load(StockSettings)
    assert loaded.http_host == "127.0.0.1"
    assert (loaded.http_port, loaded.grpc_port) == (8001, 50051)
    assert loaded.postgres_url.get_secret_value() == GOOD["STOCK_POSTGRES_URL"]
    assert loaded.shelves == {"a": 1}
    assert loaded.trace_ratio == 0.5
    assert loaded.shutdown_grace_seconds == 10.0


def test_values_that_are_given_replace_variables() -> None:
    given: dict[str, Any] = {"http_port": 1, "REDIS_URL": "redis://elsewhere/0"}
    loaded = StockSettings(**given)
    assert (loaded.http_port, loaded.grpc_port) == (1, 50051)
    assert loaded.redis_url.get_secret_value() == "redis://elsewhere/0"


def test_a_url_that_cannot_lead_to_redis(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ends the program at once, with one line and no password."""
    monkeypatch.setenv("REDIS_URL", "rediss://me:hush@127.0.0.1:6379/0?ssl_ciphers=x")
    said = refusal(capsys)
    assert said.startswith("REDIS_URL is wrong: it has options that are not known: ssl_ciphers.")
    assert "hush" not in said


def test_authorities_of_redis(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Are part of its URL, and refused where nothing is verified by them."""
    monkeypatch.setenv("REDIS_CA_FILE", "/etc/redis/ca.crt")
    monkeypatch.setenv("REDIS_URL", "rediss://127.0.0.1:6379/0")
    loaded = settings.load(StockSettings)
    assert loaded.redis_url_with_authorities == "rediss://127.0.0.1:6379/0?ssl_ca_certs=/etc/redis/ca.crt"
    monkeypatch.setenv("REDIS_URL", "redis://me:hush@127.0.0.1:6379/0")
    said = refusal(capsys)
    assert said.strip() == "settings: REDIS_CA_FILE is set, but REDIS_URL has no TLS: write rediss://"


def test_every_class_of_settings_looks_at_its_urls() -> None:
    """By what it derives from, so that a new one does too."""
    derived = set(BaseSettings.__subclasses__())
    while more := {each for known in derived for each in known.__subclasses__()} - derived:
        derived |= more
    ours = {each for each in derived if each.__module__.partition(".")[0] in OURS}

    assert set(SERVICES) <= ours
    assert [each for each in ours if not issubclass(each, EnvironmentSettings)] == []


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.__name__)
@pytest.mark.parametrize(
    "url",
    [
        "smtp://me:hush/Hush@h:1",
        "http://me:hush?x@h",
        "postgresql://h:hush/x",
        "https://me:1/hush@h",
        "http://[hush/",
        "smtp://me:x@hush/hush@h",
    ],
)
def test_no_part_of_a_password_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], service: type[BaseSettings], url: str
) -> None:
    """Any setting may be a URL; where its host ends too early, the rest is the password's."""
    names = [environment_name(service, field) for field in service.model_fields]
    urls = [name for name in names if name.endswith(("_URL", "_ENDPOINT", "_ISSUER"))]
    for name in urls:
        monkeypatch.setenv(name, url)
    with pytest.raises(SystemExit):
        settings.load(service)

    said = capsys.readouterr().err
    assert urls
    assert "ush" not in said
    for name in urls:
        assert f"{name} is wrong: its host or port cannot be read" in said or name == "REDIS_URL"


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "")
    monkeypatch.setenv("LOG_FORMAT", "")
    loaded = settings.load(StockSettings)
    assert loaded.otel_exporter_otlp_endpoint is None
    assert loaded.log_format == "json"


def test_settings_do_not_change_and_do_not_print_secrets() -> None:
    loaded = settings.load(StockSettings)
    with pytest.raises(ValidationError):
        loaded.http_port = 1
    assert "hush" not in repr(loaded)
    assert "kkkk" not in repr(loaded)


def test_each_wrong_variable_gets_a_line_without_its_value(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("STOCK_POSTGRES_URL")
    monkeypatch.setenv("STOCK_GRPC_PORT", "ninety")
    monkeypatch.setenv("SERVICE_KEY", "short-secret")
    monkeypatch.setenv("LOG_FORMAT", "xml")
    err = refusal(capsys)
    assert "short-secret" not in err
    lines = {line.split(" ", 1)[0]: line for line in err.splitlines()}
    assert lines.keys() == {"STOCK_POSTGRES_URL", "STOCK_GRPC_PORT", "SERVICE_KEY", "LOG_FORMAT"}
    assert lines["STOCK_POSTGRES_URL"] == (
        "STOCK_POSTGRES_URL is not set: set it. It is where the schema `stock` is."
    )
    assert "valid integer" in lines["STOCK_GRPC_PORT"]
    assert "32" in lines["SERVICE_KEY"]
    assert "'json' or 'console'" in lines["LOG_FORMAT"]


def test_what_is_not_json_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STOCK_SHELVES", "{a: 1")
    assert refusal(capsys).startswith("STOCK_SHELVES is wrong: it is not JSON")


STRICT = {
    "PROFILE": "strict",
    "SERVICE_KEY": "n0tqQmBf3xkVw7YcR5sHzJ2aLpG8eDu9",
    "SERVICE_KEY_FILE": "/keys/stock.key",
    "SERVICE_TRUST_DIR": "/keys/trust",
    "STOCK_POSTGRES_URL": "postgresql://me@db/x?sslmode=verify-full",
    "PGPASSWORD": "Zq7-mW4tXc9_LpR2vN8sKd",
    "TLS_CERT_FILE": "tls.crt",
    "TLS_KEY_FILE": "tls.key",
    "TLS_CA_FILE": "ca.crt",
}


def test_the_strict_profile_takes_what_is_safe(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in STRICT.items():
        monkeypatch.setenv(name, value)

    assert settings.load(StockSettings).is_strict


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("TLS_CA_FILE", None, "TLS_CERT_FILE, TLS_KEY_FILE and TLS_CA_FILE go together"),
        ("SERVICE_KEY", "k" * 32, "SERVICE_KEY is not safe: it has only 1 different characters"),
        ("STOCK_POSTGRES_URL", "postgresql://me@db/x", "STOCK_POSTGRES_URL is not safe: it goes over"),
        ("PGPASSWORD", "short", "STOCK_POSTGRES_URL is not safe: its password is weak"),
        ("PGPASSWORD", None, "STOCK_POSTGRES_URL is not safe: it has no password"),
        ("REDIS_URL", "redis://cache:6379/0", "REDIS_URL is not safe: it has no password"),
    ],
)
def test_the_strict_profile_refuses_what_is_not(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    value: str | None,
    line: str,
) -> None:
    for other, good in STRICT.items():
        monkeypatch.setenv(other, good)
    monkeypatch.setenv(name, value or "")

    with pytest.raises(SystemExit) as caught:
        settings.load(StockSettings)

    said = capsys.readouterr().err
    assert caught.value.code == 1
    assert line in said
    assert len(said.splitlines()) == 1


def test_the_standard_profile_refuses_none_of_it() -> None:
    assert settings.load(StockSettings).shortcomings() == []


def test_secret_fields_are_known_for_redaction() -> None:
    assert settings.secret_names(StockSettings) == {
        "postgres_url",
        "postgres_password",
        "checked_secret",
        "service_key",
        "redis_url",
    }
