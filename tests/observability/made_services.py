"""Series for the alerts about services."""

from tests.observability.made_trust import TRUST_ALERTS
from tests.observability.made_voice import VOICE_ALERTS
from tests.observability.making import Made, gauge, histogram

SERVICES = ("gateway", "auth-service", "user-service", "health-aggregator")
UP = {f'up{{job="{name}", instance="a"}}': "1x20" for name in SERVICES}


SERVICE_ALERTS: tuple[Made, ...] = (
    Made(
        "VestibuleServiceDown",
        {**UP, 'up{job="gateway", instance="a"}': "0x20"},
        [{"job": "gateway", "severity": "critical", "summary": "No instance of gateway responds."}],
        [UP, {**UP, 'up{job="gateway", instance="b"}': "0x20"}],
    ),
    Made(
        "VestibuleServiceDown",
        {series: values for series, values in UP.items() if "user-service" not in series},
        [{"job": "user-service", "severity": "critical", "summary": "No instance of user-service responds."}],
    ),
    Made(
        "VestibuleInstanceDown",
        {**UP, 'up{job="gateway", instance="b"}': "0x20"},
        [
            {
                "job": "gateway",
                "instance": "b",
                "severity": "warning",
                "summary": "b of gateway does not respond; the other instances take its load.",
            }
        ],
        [
            UP,
            {**UP, 'up{job="gateway", instance="b"}': "1x17 0x3"},
            {'up{job="another", instance="a"}': "0x20"},
        ],
    ),
    Made(
        "VestibuleEventLoopSlow",
        histogram("event_loop_delay_seconds", between=("0.25", "0.5"), by='job="gateway", instance="a"'),
        [
            {
                "job": "gateway",
                "instance": "a",
                "severity": "warning",
                "summary": "a of gateway is overloaded: its CPU core is busy.",
            }
        ],
        [histogram("event_loop_delay_seconds", between=("0.001", "0.005"), by='job="gateway", instance="a"')],
    ),
    Made(
        "VestibuleCallsFail",
        {'grpc_server_handled_total{job="user-service", method="GetMe", code="INTERNAL"}': "0+1x20"},
        [
            {
                "job": "user-service",
                "method": "GetMe",
                "severity": "warning",
                "summary": "GetMe of user-service fails with internal errors.",
            }
        ],
        [
            {
                'grpc_server_handled_total{job="user-service", method="GetMe", code="INTERNAL"}': "3x20",
                'grpc_server_handled_total{job="user-service", method="GetMe", code="UNAVAILABLE"}': "0+9x20",
            }
        ],
    ),
    gauge(
        "VestibuleBreakerOpen",
        'gateway_breaker_open{instance="a", upstream="vestibule.users.v1"}',
        1,
        {
            "upstream": "vestibule.users.v1",
            "severity": "critical",
            "summary": "A gateway refuses calls to vestibule.users.v1: too many have failed.",
        },
    ),
    gauge(
        "VestibuleOutboxLag",
        'outbox_oldest_pending_seconds{job="auth-service", instance="a"}',
        20,
        {
            "job": "auth-service",
            "severity": "critical",
            "summary": "Events of auth-service are unpublished for 20s: revocations arrive late.",
        },
        healthy=10,
    ),
    Made(
        "VestibuleEventsLate",
        histogram("events_lag_seconds", between=("5", "30"), by='job="user-service"'),
        [
            {
                "job": "user-service",
                "severity": "warning",
                "summary": "user-service handles events 27.5s after their commit.",
            }
        ],
        [histogram("events_lag_seconds", between=("1", "5"), by='job="user-service"')],
    ),
    gauge(
        "VestibuleEventBlocked",
        'events_blocked{job="auth-service", instance="a"}',
        1,
        {
            "job": "auth-service",
            "severity": "critical",
            "summary": "auth-service keeps retrying one event; later events wait.",
        },
    ),
    gauge(
        "VestibuleDeadLetters",
        'events_dead_letters{job="auth-service", instance="a"}',
        2,
        {
            "job": "auth-service",
            "severity": "critical",
            "summary": "auth-service has 2 dead letters: events that it could not handle.",
        },
    ),
    Made(
        "VestibuleEventsRefused",
        {'events_refused_total{job="gateway", instance="a", reason="unsigned"}': "0+1x20"},
        [
            {
                "job": "gateway",
                "reason": "unsigned",
                "severity": "critical",
                "summary": "gateway refuses events (unsigned) that no service of this system has written.",
            }
        ],
        [{'events_refused_total{job="gateway", instance="a", reason="unsigned"}': "5x20"}],
    ),
    Made(
        "VestibuleAnswersFail",
        {'knowledge_answers_total{job="knowledge-service", instance="a", outcome="unavailable"}': "0+1x60"},
        [
            {
                "job": "knowledge-service",
                "severity": "warning",
                "summary": "The language model of knowledge-service is down or too slow:"
                " users get passages without an answer.",
            }
        ],
        [{'knowledge_answers_total{job="knowledge-service", instance="a", outcome="answered"}': "0+1x60"}],
    ),
    Made(
        "VestibuleSearchesDegraded",
        {
            'knowledge_searches_total{job="knowledge-service", instance="a", degraded="true"}': "0+1x60",
            'knowledge_searches_total{job="knowledge-service", instance="a", degraded="false"}': "0+3x60",
        },
        [
            {
                "job": "knowledge-service",
                "severity": "warning",
                "summary": "25% of searches find passages by words or by meaning alone.",
            }
        ],
        [
            {
                'knowledge_searches_total{job="knowledge-service", instance="a", degraded="true"}': "0x60",
                'knowledge_searches_total{job="knowledge-service", instance="a", degraded="false"}': "0+3x60",
            },
            {
                'knowledge_searches_total{job="knowledge-service", instance="a", degraded="true"}': "5x60",
                'knowledge_searches_total{job="knowledge-service", instance="a", degraded="false"}': "5x60",
            },
        ],
    ),
    Made(
        "VestibuleCitationsDropped",
        {
            'knowledge_answer_citations_dropped_total{job="knowledge-service", instance="a"}': "0+2x120",
            'knowledge_answers_total{job="knowledge-service", instance="a", outcome="answered"}': "0+1x120",
        },
        [
            {
                "job": "knowledge-service",
                "severity": "warning",
                "summary": "The language model cites 2 passages per answer that it was not given.",
            }
        ],
        [
            {
                'knowledge_answer_citations_dropped_total{job="knowledge-service", instance="a"}': "0+1x120",
                'knowledge_answers_total{job="knowledge-service", outcome="answered"}': "0+4x120",
            }
        ],
        at="90m",
    ),
    Made(
        "VestibuleSourcesFail",
        {
            'knowledge_sources{job="knowledge-service", instance="a", problem="UNREACHABLE"}': "3x60",
            'knowledge_sources{job="knowledge-service", instance="b", problem="UNREACHABLE"}': "3x60",
            'knowledge_sources{job="knowledge-service", instance="a", problem="none"}': "1x60",
        },
        [
            {
                "job": "knowledge-service",
                "severity": "warning",
                "summary": "75% of the folders of users cannot be read: documents go out of date.",
            }
        ],
        [
            {
                'knowledge_sources{job="knowledge-service", instance="a", problem="UNREACHABLE"}': "1x60",
                'knowledge_sources{job="knowledge-service", instance="a", problem="UNAUTHORIZED"}': "5x60",
                'knowledge_sources{job="knowledge-service", instance="a", problem="none"}': "1x60",
            },
            {
                'knowledge_sources{job="knowledge-service", instance="a", problem="UNREACHABLE"}': "0x60",
                'knowledge_sources{job="knowledge-service", instance="a", problem="none"}': "0x60",
            },
        ],
        at="50m",
    ),
    Made(
        "VestibuleHashingRefuses",
        {'auth_hashing_refused_total{job="auth-service", instance="a"}': "0+1x20"},
        [
            {
                "job": "auth-service",
                "severity": "warning",
                "summary": "Sign-ins get 503: the queue for hashing passwords is full.",
            }
        ],
        [{'auth_hashing_refused_total{job="auth-service", instance="a"}': "7x20"}],
    ),
    Made(
        "VestibulePoolExhausted",
        {'postgres_pool_refused_total{job="user-service", instance="a"}': "0+1x20"},
        [
            {
                "job": "user-service",
                "severity": "critical",
                "summary": "user-service cannot get connections to Postgres from its pool in time.",
            }
        ],
        [{'postgres_pool_refused_total{job="user-service", instance="a"}': "7x20"}],
    ),
    gauge(
        "VestibuleUnhealthy",
        'health_system_status{status="unhealthy"}',
        1,
        {
            "severity": "critical",
            "summary": "The system is unhealthy: a critical component is down.",
        },
    ),
    gauge(
        "VestibuleComponentDown",
        'health_component_state{component="postgres", state="down"}',
        1,
        {
            "component": "postgres",
            "severity": "warning",
            "summary": "postgres is down, flapping or stale.",
        },
    ),
    gauge(
        "VestibuleObserverCutOff",
        "health_observer_cut_off",
        1,
        {
            "severity": "warning",
            "summary": (
                "health-aggregator cannot reach any component; the states that it shows may be out of date."
            ),
        },
    ),
    *TRUST_ALERTS,
    *VOICE_ALERTS,
)
