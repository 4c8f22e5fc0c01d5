"""What voice-service reads from the environment."""

from typing import Literal, Self
from urllib.parse import urlsplit

from chassis.auth_client.settings import AuthenticatingSettings
from chassis.setting_types import BackendKey, GrpcAddress
from chassis.text import split_at_commas
from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

_SCHEMES = {
    "openai": ("http", "https"),
    "wyoming": ("tcp",),
    "deepgram": ("ws", "wss"),
}
_OPEN_SCHEMES = frozenset({"http", "ws", "tcp"})
_LANGUAGES = (
    "af,ar,az,be,bg,bs,ca,cs,cy,da,de,el,en,es,et,fa,fi,fr,gl,he,hi,hr,hu,hy,id,is,it,ja,kk,kn,ko,lt,lv,mi,"
    "mk,mr,ms,ne,nl,no,pl,pt,ro,ru,sk,sl,sr,sv,sw,ta,th,tl,tr,uk,ur,vi,zh"
)
"""Those that OpenAI's API takes; Whisper understands them elsewhere too."""


class VoiceSettings(AuthenticatingSettings):
    """The settings of the serving process."""

    model_config = SettingsConfigDict(env_prefix="VOICE_")

    knowledge_address: GrpcAddress | None = Field(
        default=None,
        description="where knowledge-service answers gRPC, as host:port; no conversations without it",
    )
    detector: Literal["energy", "silero"] = Field(
        default="energy",
        description="what finds speech: `energy`, or `silero`, a model that images do not contain",
    )
    transcriber: Literal["openai", "wyoming", "deepgram", "local"] = Field(
        description="what turns speech into text: `openai`, `wyoming`, `deepgram`; `local` for development"
    )
    transcriber_url: str | None = Field(
        default=None,
        description="where it is: https://host/v1, tcp://host:port or wss://host/v1/listen",
    )
    transcriber_key: BackendKey | None = Field(default=None, description="the key that it asks for")
    transcriber_model: str | None = Field(
        default=None, description="the model, such as whisper-1 or nova-3-medical"
    )
    synthesizer: Literal["openai", "wyoming", "local"] = Field(
        description="what turns text into speech: `openai`, `wyoming`; `local` for development"
    )
    synthesizer_url: str | None = Field(
        default=None, description="where it is: https://host/v1 or tcp://host:port"
    )
    synthesizer_key: BackendKey | None = Field(default=None, description="the key that it asks for")
    synthesizer_model: str | None = Field(default=None, description="the model, such as gpt-4o-mini-tts")
    synthesizer_sample_rate: int = Field(
        default=22_050, ge=8_000, le=48_000, description="samples per second of a Wyoming server's audio"
    )
    languages: str = Field(
        default=_LANGUAGES,
        description="languages that the transcriber understands, by BCP 47, separated by commas;"
        " `de` includes `de-AT`",
    )
    voices: str = Field(
        default="en-us,en-gb,de,fr,es,it",
        description="names of the synthesizer's voices, separated by commas; the first is the default",
    )

    @property
    def language_names(self) -> tuple[str, ...]:
        """The languages."""
        return split_at_commas(self.languages)

    @property
    def voice_names(self) -> tuple[str, ...]:
        """The voices."""
        return split_at_commas(self.voices)

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if not self.language_names:
            raise ValueError("VOICE_LANGUAGES names no language")
        if not self.voice_names:
            raise ValueError("VOICE_VOICES names no voice")
        for role in ("transcriber", "synthesizer"):
            kind, url = getattr(self, role), getattr(self, f"{role}_url")
            if kind == "local":
                continue
            name = f"VOICE_{role.upper()}"
            parts = urlsplit(url or "")
            if parts.scheme not in _SCHEMES[kind] or not parts.hostname:
                forms = " or ".join(f"{scheme}://host…" for scheme in _SCHEMES[kind])
                raise ValueError(f"{name}_URL must be {forms} where {name} is {kind}")
            if kind == "wyoming" and parts.port is None:
                raise ValueError(f"{name}_URL names no port")
            if kind in ("openai", "deepgram") and not getattr(self, f"{role}_model"):
                raise ValueError(f"{name}_MODEL is not set: name the backend's model")
        return self

    def shortcomings(self) -> list[str]:
        """Returns what the strict profile refuses about these settings, one line each."""
        found = super().shortcomings()
        if not self.is_strict:
            return found
        for role in ("transcriber", "synthesizer"):
            if urlsplit(getattr(self, f"{role}_url") or "").scheme in _OPEN_SCHEMES:
                found.append(f"VOICE_{role.upper()}_URL is not encrypted: speech and text are patients' data")
        return found
