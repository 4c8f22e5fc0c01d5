"""Series for the alerts about revocations, keys, the audit chain and mail."""

from tests.observability.making import Made, gauge

_CHANGED = {
    "severity": "critical",
    "summary": (
        "The audit log contradicts its signed and witnessed heads; it was changed without auth-service."
    ),
}

TRUST_ALERTS: tuple[Made, ...] = (
    gauge(
        "VestibuleRevocationLag",
        'events_tail_silent_seconds{job="gateway", instance="a"}',
        30,
        {
            "job": "gateway",
            "severity": "critical",
            "summary": (
                "gateway has not read the event stream for 30s and introspects every token with auth-service."
            ),
        },
        healthy=0.5,
    ),
    Made(
        "VestibuleSigningKeyTooOld",
        {'auth_signing_key_age_seconds{job="auth-service"}': "3456000x90"},
        [
            {
                "job": "auth-service",
                "severity": "warning",
                "summary": "The signing key is 40d 0h 0m 0s old; key rotation does not run.",
            }
        ],
        [{'auth_signing_key_age_seconds{job="auth-service"}': "2600000x90"}],
        at="80m",
    ),
    gauge(
        "VestibuleVerificationKeysOld",
        'verification_keys_age_seconds{job="gateway", instance="a"}',
        2000,
        {
            "job": "gateway",
            "severity": "warning",
            "summary": "gateway cannot fetch the published keys; after a key rotation it refuses tokens.",
        },
        healthy=300,
    ),
    gauge("VestibuleAuditChainBroken", "auth_audit_chain_broken", 1, _CHANGED),
    # Only the witness sees that a chain's end is missing together with its heads.
    Made(
        "VestibuleAuditChainBroken",
        {
            'auth_audit_chain_broken{job="auth-service"}': "0x20",
            'health_audit_witness_broken{job="health-aggregator"}': "1x20",
        },
        [_CHANGED],
        [
            {
                'auth_audit_chain_broken{job="auth-service"}': "0x20",
                'health_audit_witness_broken{job="health-aggregator"}': "0x20",
            }
        ],
    ),
    Made(
        "VestibuleAuditNotWitnessed",
        {'health_audit_witness_timestamp_seconds{instance="a"}': "60+60x4 300x16"},
        [
            {
                "severity": "warning",
                "summary": "The audit log has not been compared with its witness for 15m 0s.",
            }
        ],
        [{'health_audit_witness_timestamp_seconds{instance="a"}': "0+60x20"}],
    ),
    Made(
        "VestibuleAuditHeadNotSigned",
        {'auth_audit_head_signed_timestamp_seconds{instance="a"}': "60+60x4 300x16"},
        [
            {
                "severity": "warning",
                "summary": "The head of the audit chain has not been signed for 15m 0s.",
            }
        ],
        # One of two instances is enough.
        [
            {
                'auth_audit_head_signed_timestamp_seconds{instance="a"}': "0x20",
                'auth_audit_head_signed_timestamp_seconds{instance="b"}': "0+60x20",
            }
        ],
    ),
    gauge(
        "VestibuleCertificateExpires",
        'tls_certificate_expires_timestamp_seconds{job="gateway", file="certificate"}',
        600000,
        {
            "job": "gateway",
            "file": "certificate",
            "severity": "critical",
            "summary": ("A certificate between services (certificate of gateway) expires in 6d 22h 20m 0s."),
        },
        healthy=2592000,
    ),
    gauge(
        "VestibuleMailBacklog",
        'mails_oldest_pending_seconds{job="auth-service", instance="a"}',
        900,
        {
            "job": "auth-service",
            "severity": "warning",
            "summary": "A mail has waited 15m 0s: users cannot reset passwords.",
        },
        healthy=60,
    ),
    gauge(
        "VestibuleDocumentsWait",
        'knowledge_documents_oldest_unindexed_seconds{job="knowledge-service", instance="a"}',
        900,
        {
            "job": "knowledge-service",
            "severity": "warning",
            "summary": "A document has waited 15m 0s to be indexed: no search finds it.",
        },
        healthy=5,
    ),
    gauge(
        "VestibuleWebhooksGivenUp",
        'webhooks_dead{job="user-service", instance="a"}',
        3,
        {
            "job": "user-service",
            "severity": "warning",
            "summary": "3 webhook messages were given up: another system misses changes of users.",
        },
        healthy=0,
    ),
)
