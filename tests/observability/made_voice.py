"""Series for the alerts of voice-service."""

from tests.observability.making import Made, gauge

VOICE_ALERTS: tuple[Made, ...] = (
    Made(
        "VestibuleSpeechFails",
        {'voice_backend_failures_total{job="voice-service", backend="transcriber", kind="lost"}': "0+1x60"},
        [
            {
                "backend": "transcriber",
                "severity": "warning",
                "summary": "The speech transcriber fails: users get errors in place of text or speech.",
            }
        ],
        [{'voice_backend_failures_total{job="voice-service", backend="transcriber", kind="lost"}': "7x60"}],
    ),
    gauge(
        "VestibuleSpeechAuditStalled",
        'voice_audit_waiting{job="voice-service", instance="a"}',
        101,
        {
            "job": "voice-service",
            "severity": "warning",
            "summary": "101 sessions of voice-service wait to be audited: a restart would lose them.",
        },
        healthy=100,
    ),
    Made(
        "VestibuleSpeechAuditLost",
        {'voice_audit_dropped_total{job="voice-service", instance="a"}': "0+1x20"},
        [
            {
                "job": "voice-service",
                "severity": "critical",
                "summary": "Sessions of voice-service end without being audited: too many wait for Redis.",
            }
        ],
        [{'voice_audit_dropped_total{job="voice-service", instance="a"}': "7x20"}],
    ),
)
