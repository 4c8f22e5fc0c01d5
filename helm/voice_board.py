"""The board of voice-service, which is optional."""

from helm import panels
from helm.panels import Board, lines

OF_VOICE = 'job="voice-service"'

VOICE = Board(
    "voice",
    "voice-service",
    "Speech: sessions, failures of the backends, and what waits to be audited.",
    (
        lines(
            "Sessions open",
            "short",
            (f"sum by (method) (grpc_server_streams_open{{{OF_VOICE}}})", "{{method}}"),
        ),
        lines(
            "Sessions ended by status",
            "ops",
            (
                f"sum by (method, code) (rate(grpc_server_handled_total{{{OF_VOICE}}}[5m]))",
                "{{method}} {{code}}",
            ),
        ),
        lines(
            "Speech in and out",
            "Bps",
            (
                f"sum by (method, direction) (rate(grpc_server_stream_bytes_total{{{OF_VOICE}}}[5m]))",
                "{{method}} {{direction}}",
            ),
            meaning="Of sessions that have ended.",
        ),
        lines(
            "Failures of the backends",
            "ops",
            ("sum by (backend, kind) (rate(voice_backend_failures_total[5m]))", "{{backend}} {{kind}}"),
            meaning="A lost connection is made once more; users notice a second loss and what is refused.",
        ),
        lines(
            "Sessions waiting to be audited",
            "short",
            ("max by (instance) (voice_audit_waiting)", "{{instance}}"),
            limit=100,
        ),
        lines(
            "Sessions that were not audited",
            "ops",
            ("sum(rate(voice_audit_dropped_total[5m]))", "dropped"),
            limit=0.001,
        ),
        *panels.revocation("voice-service"),
        *panels.process(OF_VOICE),
    ),
)
