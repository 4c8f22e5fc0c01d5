"""Builds the service: the one module that names concrete adapters."""

from collections.abc import Callable
from types import ModuleType
from urllib.parse import urlsplit

from chassis.auth_client.client import AUTH_CLIENT_SERVICES
from chassis.auth_client.serving import begin_authenticator, serve
from chassis.grpc.certificates import Certificates, open_certificates
from chassis.grpc.channel import open_channel
from chassis.grpc.server import build_server
from chassis.identity.service_keys import open_service_keys
from chassis.identity.service_tokens import ServiceTokens
from chassis.lifecycle import Lifecycle
from chassis.startup_errors import StartupRefused
from vestibule.voice.v1.voice_service_pb2_grpc import add_VoiceServiceServicer_to_server

from voice_service.adapters.audit_events import EventAuditTrail
from voice_service.adapters.deepgram_transcriber import DeepgramTranscriber
from voice_service.adapters.energy_detector import EnergyDetector
from voice_service.adapters.knowledge_answers import ANSWER_SERVICE, KnowledgeAnswers
from voice_service.adapters.openai_speech import OpenaiSynthesizer, OpenaiTranscriber, open_openai
from voice_service.adapters.wyoming_speech import WyomingAddress, WyomingSynthesizer, WyomingTranscriber
from voice_service.domain.backends import SpeechDetector, Synthesizer, Transcriber
from voice_service.settings import VoiceSettings
from voice_service.transport.voice_servicer import VoiceServicer
from voice_service.usecases.ports import Ports
from voice_service.usecases.sessions import Sessions

SERVICE = "voice-service"


async def start(lifecycle: Lifecycle, settings: VoiceSettings) -> None:
    """Starts the service; returns when it listens. It is ready when it can authenticate callers.

    Raises:
        StartupError: a port is in use, or what a setting asks for is not installed.
    """
    service_tokens = ServiceTokens(open_service_keys(SERVICE, settings))
    certificates = open_certificates(settings.tls_files, service_tokens.keys)
    redis_url = settings.redis_url_with_authorities
    to_auth = await lifecycle.enter(
        open_channel(
            settings.auth_address,
            service_tokens=service_tokens,
            services=AUTH_CLIENT_SERVICES,
            credentials=certificates,
        )
    )
    audit = EventAuditTrail(service_tokens.keys, redis_url)
    ports = Ports(
        detector=_detector(settings),
        transcriber=await _transcriber(lifecycle, settings),
        synthesizer=await _synthesizer(lifecycle, settings),
        languages=settings.language_names,
        voices=settings.voice_names,
        answers=await _answers(lifecycle, settings, service_tokens, certificates),
        sessions=Sessions(audit),
    )
    await lifecycle.may_begin()
    authenticator = begin_authenticator(
        lifecycle, settings, to_auth, service=SERVICE, keys=service_tokens.keys
    )
    server = build_server(service_tokens=service_tokens, authenticator=authenticator)
    server.add(add_VoiceServiceServicer_to_server, VoiceServicer(ports))
    lifecycle.begin("publishing session audit events", audit.run())

    await serve(lifecycle, settings, server, certificates, authenticator)
    lifecycle.on_stop(audit.drain)


def _detector(settings: VoiceSettings) -> Callable[[], SpeechDetector]:
    return EnergyDetector if settings.detector == "energy" else _local("VOICE_DETECTOR=silero").SileroDetector


async def _transcriber(lifecycle: Lifecycle, settings: VoiceSettings) -> Transcriber:
    url, model = settings.transcriber_url or "", settings.transcriber_model or ""
    key = settings.transcriber_key.get_secret_value() if settings.transcriber_key is not None else None
    match settings.transcriber:
        case "openai":
            return OpenaiTranscriber(await lifecycle.enter(open_openai(url, key)), model)
        case "wyoming":
            return WyomingTranscriber(_address(url), model or None)
        case "deepgram":
            return DeepgramTranscriber(url, key, model)
        case "local":
            transcriber: Transcriber = _local("VOICE_TRANSCRIBER=local").LocalTranscriber()
            return transcriber


async def _synthesizer(lifecycle: Lifecycle, settings: VoiceSettings) -> Synthesizer:
    url, model = settings.synthesizer_url or "", settings.synthesizer_model or ""
    key = settings.synthesizer_key.get_secret_value() if settings.synthesizer_key is not None else None
    match settings.synthesizer:
        case "openai":
            return OpenaiSynthesizer(await lifecycle.enter(open_openai(url, key)), model)
        case "wyoming":
            return WyomingSynthesizer(_address(url), settings.synthesizer_sample_rate)
        case "local":
            synthesizer: Synthesizer = _local("VOICE_SYNTHESIZER=local").EspeakSynthesizer()
            return synthesizer


async def _answers(
    lifecycle: Lifecycle,
    settings: VoiceSettings,
    service_tokens: ServiceTokens,
    certificates: Certificates | None,
) -> KnowledgeAnswers | None:
    if settings.knowledge_address is None:
        return None
    channel = await lifecycle.enter(
        open_channel(
            settings.knowledge_address,
            service_tokens=service_tokens,
            services=(ANSWER_SERVICE,),
            credentials=certificates,
        )
    )
    return KnowledgeAnswers(channel)


def _address(url: str) -> WyomingAddress:
    parts = urlsplit(url)
    assert parts.hostname is not None and parts.port is not None  # noqa: S101, PT018 - settings check it
    return WyomingAddress(parts.hostname, parts.port)


def _local(setting: str) -> ModuleType:
    """Returns the module of the speech in this process, which a setting asks for."""
    try:
        from voice_service.adapters import local_speech  # noqa: PLC0415 - needs what images do not have
    except ImportError as error:
        message = f"{setting} needs the extra `local-speech`, which images do not contain: choose a backend"
        raise StartupRefused(message) from error
    return local_speech
