"""What voice-service refuses to start with."""

import pytest
from voice_service.settings import VoiceSettings

from chassis import settings

GOOD = {
    "SERVICE_KEY_FILE": "/keys/voice.key",
    "SERVICE_TRUST_DIR": "/keys/trust",
    "REDIS_URL": "redis://127.0.0.1:6379/0",
    "TOKEN_ISSUER": "https://issuer.test",
    "VOICE_HTTP_PORT": "8001",
    "VOICE_GRPC_PORT": "50051",
    "VOICE_AUTH_ADDRESS": "127.0.0.1:50052",
    "VOICE_TRANSCRIBER": "openai",
    "VOICE_TRANSCRIBER_URL": "https://speech.test/v1",
    "VOICE_TRANSCRIBER_MODEL": "whisper-1",
    "VOICE_SYNTHESIZER": "local",
}


@pytest.mark.parametrize("added", ["\n", "\r\n", " x", "\u00e9"])
def test_a_key_that_no_header_can_hold_is_refused(
    added: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Secrets often end in a line break; the library would put the header that it refuses into the log."""
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("VOICE_TRANSCRIBER_KEY", "sk-secret")
    settings.load(VoiceSettings)
    monkeypatch.setenv("VOICE_TRANSCRIBER_KEY", "sk-secret" + added)
    with pytest.raises(SystemExit):
        settings.load(VoiceSettings)

    shown = capsys.readouterr().err
    assert "VOICE_TRANSCRIBER_KEY is wrong: it has a space, a line break" in shown
    assert "sk-secret" not in shown
