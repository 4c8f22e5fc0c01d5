"""Settings of auth-service that would lock out, or lead users elsewhere."""

import base64

import pytest
from auth_service.settings import AuthSettings

from chassis import settings
from tests.fakes.service_keys import key_settings

GOOD = {
    "AUTH_HTTP_PORT": "0",
    "AUTH_GRPC_PORT": "0",
    "AUTH_POSTGRES_URL": "postgresql://auth_service:a%2Fb@127.0.0.1/vestibule",
    "AUTH_MASTER_KEY": base64.b64encode(bytes(range(32))).decode(),
    "AUTH_ISSUER": "https://id.example.com",
    "AUTH_USERS_ADDRESS": "127.0.0.1:50052",
    "REDIS_URL": "redis://127.0.0.1:6379/0",
    "BOOTSTRAP_ADMIN_PASSWORD": "correct-horse-battery",
    **key_settings("auth-service"),
}


@pytest.fixture(autouse=True)
def _good(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (GOOD | {"BOOTSTRAP_ADMIN_EMAIL": "root@example.com"}).items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("BOOTSTRAP_ADMIN_EMAIL", "admin.example.com", "it is not an e-mail address"),
        ("BOOTSTRAP_ADMIN_EMAIL", " ", "it is not an e-mail address"),
        ("AUTH_ISSUER", "id.example.com", "it is not http://host or https://host"),
        ("PUBLIC_URL", "javascript:alert(1)", "it is not http://host or https://host"),
        ("AUTH_PASSKEY_ORIGINS", "https://a.example/", "it ends after host and port"),
    ],
)
def test_what_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str, said: str
) -> None:
    """By its name, at the start: the first admin could not sign in, or links in mails would lead nowhere."""
    assert settings.load(AuthSettings).bootstrap_admin_email == "root@example.com"
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        settings.load(AuthSettings)

    text = capsys.readouterr().err
    assert f"{name} is wrong: " in text
    assert said in text


@pytest.mark.parametrize(
    ("name", "value"),
    [("PUBLIC_URL", "HTTP://id.example.com"), ("AUTH_PASSKEY_ORIGINS", "http://id.example.com")],
)
def test_what_the_strict_profile_refuses(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """Pages without TLS, beside an issuer with it."""
    monkeypatch.setenv("PROFILE", "strict")
    assert not [line for line in AuthSettings().shortcomings() if name in line]  # type: ignore[call-arg]
    monkeypatch.setenv(name, value)

    assert [line for line in AuthSettings().shortcomings() if name in line]  # type: ignore[call-arg]
