"""What knowledge-service refuses to start with."""

import pytest
from knowledge_service.settings import KnowledgeSettings

from chassis import settings

GOOD = {
    "SERVICE_KEY_FILE": "/keys/knowledge.key",
    "SERVICE_TRUST_DIR": "/keys/trust",
    "REDIS_URL": "redis://127.0.0.1:6379/0",
    "TOKEN_ISSUER": "https://issuer.test",
    "KNOWLEDGE_HTTP_PORT": "8001",
    "KNOWLEDGE_GRPC_PORT": "50051",
    "KNOWLEDGE_POSTGRES_URL": "postgresql://knowledge_service:hush@db/x",
    "KNOWLEDGE_MASTER_KEY": "bW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW0=",
    "KNOWLEDGE_AUTH_ADDRESS": "127.0.0.1:50052",
    "KNOWLEDGE_USERS_ADDRESS": "127.0.0.1:50053",
}


@pytest.mark.parametrize(
    "name", ["KNOWLEDGE_LLM_API_KEY", "KNOWLEDGE_EMBEDDINGS_API_KEY", "KNOWLEDGE_QDRANT_API_KEY"]
)
@pytest.mark.parametrize("added", ["\n", "\r\n", " x", "\u00e9"])
def test_a_key_that_no_header_can_hold_is_refused(
    name: str, added: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Secrets often end in a line break; the library would put the header that it refuses into the log."""
    for each, value in GOOD.items():
        monkeypatch.setenv(each, value)
    monkeypatch.setenv(name, "sk-secret")
    settings.load(KnowledgeSettings)
    monkeypatch.setenv(name, "sk-secret" + added)
    with pytest.raises(SystemExit):
        settings.load(KnowledgeSettings)

    shown = capsys.readouterr().err
    assert f"{name} is wrong: it has a space, a line break" in shown
    assert "sk-secret" not in shown


def test_strict_wants_encrypted_backends(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Passages go to the models and to Qdrant: never in the clear under the strict profile."""
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    backends = ("QDRANT_URL", "KNOWLEDGE_EMBEDDINGS_URL", "KNOWLEDGE_LLM_URL")
    monkeypatch.setenv("KNOWLEDGE_EMBEDDINGS_MODEL", "m")
    monkeypatch.setenv("KNOWLEDGE_LLM_MODEL", "m")
    shown = {}
    for scheme in ("http", "https"):
        for name in backends:
            monkeypatch.setenv(name, f"{scheme}://backend:8080/v1")
        settings.load(KnowledgeSettings)
        monkeypatch.setenv("PROFILE", "strict")
        with pytest.raises(SystemExit):
            settings.load(KnowledgeSettings)
        monkeypatch.delenv("PROFILE")
        shown[scheme] = capsys.readouterr().err

    for name in backends:
        assert f"{name} is not encrypted" in shown["http"]
        assert f"{name} is not encrypted" not in shown["https"]
