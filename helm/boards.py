"""The boards for operators, from the whole system down to one service."""

from helm import panels
from helm.knowledge_board import KNOWLEDGE
from helm.objectives import OBJECTIVES, READS, REQUESTS
from helm.panels import SERVICES, Board, figure, lines, quantiles
from helm.voice_board import VOICE

HITS = 'sum(rate(gateway_cache_lookups_total{outcome="hit"}[5m]))'
FAILING = 'state=~"suspect|down|recovering|flapping|stale"'

OVERVIEW = Board(
    "overview",
    "Overview",
    "Start here: what users experience, and which service causes it.",
    (
        figure(
            "System",
            "short",
            'max(health_system_status{status="healthy"})',
            meaning="1 while every component is healthy.",
        ),
        figure("Requests", "reqps", f"sum(rate(http_server_requests_total{{{REQUESTS}}}[5m]))"),
        figure(
            "Failing",
            "percentunit",
            "vestibule:failed_requests:ratio_rate5m",
            meaning="Share of requests answered with a 5xx.",
            limit=0.0072,
        ),
        figure(
            "Reads, p99",
            "s",
            f"histogram_quantile(0.99, sum by (le) "
            f"(rate(http_server_request_duration_seconds_bucket{{{READS}}}[5m])))",
            limit=0.25,
        ),
        figure(
            "Instances down",
            "short",
            f"count(up{{{SERVICES}}}) - sum(up{{{SERVICES}}})",
            limit=1,
        ),
        figure("Oldest event", "s", "max(outbox_oldest_pending_seconds)", limit=15),
        panels.requests_by_status(),
        panels.read_durations(),
        lines(
            "Calls by service",
            "reqps",
            (f"sum by (job) (rate(grpc_server_handled_total{{{SERVICES}}}[5m]))", "{{job}}"),
        ),
        quantiles(
            "Calls, p99 by service",
            f'grpc_server_handling_seconds{{{SERVICES}, method!~"Stream.*"}}',
            by="job",
            legend="{{job}}",
            shares=(0.99,),
        ),
        lines("Instances up", "short", ("vestibule:instances:up", "{{job}}")),
        lines(
            "Versions",
            "short",
            ("count by (service, version) (vestibule_build_info)", "{{service}} {{version}}"),
            meaning="Two versions of one service at the same time are a rollout.",
        ),
        *panels.process(SERVICES),
    ),
)

GATEWAY = Board(
    "gateway",
    "Gateway",
    "Which routes are slow, refused or failing, and what the gateway keeps in memory.",
    (
        lines(
            "Requests by route",
            "reqps",
            ("sum by (route, method) (rate(http_server_requests_total[5m]))", "{{method}} {{route}}"),
        ),
        panels.requests_by_status(),
        quantiles(
            "Duration by route, p99",
            f"http_server_request_duration_seconds{{{REQUESTS}}}",
            by="route, method",
            legend="{{method}} {{route}}",
            shares=(0.99,),
        ),
        panels.read_durations(),
        lines(
            "Refused by the gateway or a service",
            "reqps",
            (
                'sum by (route, status) (rate(http_server_requests_total{status=~"4.."}[5m]))',
                "{{status}} {{route}}",
            ),
            meaning="Many 401 or 429: a client guesses passwords or calls too often.",
        ),
        lines(
            "Near cache, share of hits",
            "percentunit",
            (
                f"{HITS} / sum(rate(gateway_cache_lookups_total[5m]))",
                "hits",
            ),
        ),
        lines(
            "Near cache, responses dropped by events",
            "ops",
            ("sum(rate(gateway_cache_dropped_total[5m]))", "dropped"),
        ),
        lines(
            "Breakers",
            "short",
            ("max by (upstream) (gateway_breaker_open)", "{{upstream}}"),
            meaning="1 while calls to an upstream are refused at once.",
            limit=1,
        ),
        lines(
            "Events that may have been missed",
            "ops",
            ("sum by (job, instance) (rate(events_tail_losses_total[5m]))", "{{job}} {{instance}}"),
            meaning="After each, the revocations are fetched from auth-service again.",
        ),
        *panels.revocation("gateway"),
        lines(
            "Requests in progress",
            "short",
            ("sum by (instance) (http_server_active_requests)", "{{instance}}"),
        ),
        lines(
            "Responses in the near cache",
            "short",
            ("sum by (instance) (gateway_cache_entries)", "{{instance}}"),
        ),
        lines(
            "Rate limits counted in memory",
            "short",
            ("max by (instance) (gateway_rate_limits_in_memory)", "{{instance}}"),
            meaning="1 while Redis is down and each gateway counts for itself.",
            limit=1,
        ),
        *panels.process('job="gateway"'),
    ),
)

AUTH = Board(
    "auth",
    "auth-service",
    "Sign-ins, hashing, keys, revocations, mails and the audit chain.",
    (
        *panels.rpcs("auth-service"),
        lines(
            "Sign-ins by outcome",
            "reqps",
            (
                'sum by (code) (rate(grpc_server_handled_total{job="auth-service", method="Login"}[5m]))',
                "{{code}}",
            ),
        ),
        lines(
            "Passwords hashed or waiting",
            "short",
            ("sum by (instance) (auth_hashing_jobs)", "{{instance}}"),
            ("sum by (instance) (auth_hashing_workers)", "threads of {{instance}}"),
            ("sum by (instance) (auth_hashing_jobs_max)", "limit of {{instance}}"),
            meaning="Above the number of threads sign-ins wait; above the limit they are refused.",
        ),
        quantiles("Waiting for a thread", "auth_hashing_wait_seconds"),
        quantiles("Hashing", "auth_hashing_work_seconds"),
        lines(
            "Hashing refused",
            "ops",
            ("sum by (instance) (rate(auth_hashing_refused_total[5m]))", "{{instance}}"),
            limit=0.01,
        ),
        lines(
            "Age of the signing key",
            "s",
            ("max by (instance) (auth_signing_key_age_seconds)", "{{instance}}"),
            limit=3_024_000,
        ),
        lines("Signing keys by state", "short", ("max by (state) (auth_signing_keys)", "{{state}}")),
        lines(
            "Audit chain",
            "s",
            ("time() - max(auth_audit_head_signed_timestamp_seconds)", "since its head was signed"),
            (
                "time() - max(health_audit_witness_timestamp_seconds)",
                "since compared with its witness",
            ),
            ("max(auth_audit_chain_broken or health_audit_witness_broken)", "broken"),
            limit=300,
        ),
        lines(
            "Mails by outcome",
            "ops",
            ("sum by (kind, outcome) (rate(mails_total[5m]))", "{{kind}} {{outcome}}"),
        ),
        lines(
            "Mails waiting",
            "s",
            ("max(mails_oldest_pending_seconds)", "the oldest"),
            ("max(mails_pending)", "how many"),
            limit=600,
        ),
        *panels.events("auth-service"),
        *panels.postgres("auth-service"),
        *panels.process('job="auth-service"'),
    ),
)

USERS = Board(
    "users",
    "user-service",
    "Users: reads, changes, events and the pool.",
    (
        *panels.rpcs("user-service"),
        lines(
            "Webhook attempts by outcome",
            "ops",
            ("sum by (outcome) (rate(webhook_attempts_total[5m]))", "{{outcome}}"),
        ),
        lines(
            "Webhook messages waiting",
            "short",
            ("max(webhooks_pending)", "to be delivered"),
            ("max(webhooks_dead)", "given up"),
            limit=1,
        ),
        *panels.events("user-service"),
        *panels.revocation("user-service"),
        *panels.postgres("user-service"),
        *panels.process('job="user-service"'),
    ),
)

AGGREGATOR = Board(
    "aggregator",
    "Health aggregator",
    "The state of the system, and whether health-aggregator can reach it.",
    (
        figure("Healthy", "short", 'max(health_system_status{status="healthy"})'),
        figure("Degraded", "short", 'max(health_system_status{status="degraded"})', limit=1),
        figure("Unhealthy", "short", 'max(health_system_status{status="unhealthy"})', limit=1),
        figure("Cut off", "short", "max(health_observer_cut_off)", limit=1),
        lines(
            "Components that are not up",
            "short",
            (
                f"max by (component, state) (health_component_state{{{FAILING}}})",
                "{{component}} {{state}}",
            ),
            limit=1,
        ),
        lines(
            "Changes of state",
            "ops",
            ("sum by (component, state) (rate(health_component_flips_total[5m]))", "{{component}} {{state}}"),
        ),
        lines(
            "Checks by outcome",
            "ops",
            ("sum by (component, outcome) (rate(health_checks_total[5m]))", "{{component}} {{outcome}}"),
        ),
        quantiles(
            "Checks, p99",
            "health_check_duration_seconds",
            by="component",
            legend="{{component}}",
            shares=(0.99,),
        ),
        lines(
            "Ignored results",
            "ops",
            ("sum(rate(health_checks_discarded_total[5m]))", "discarded"),
            meaning="The process itself was suspended: it needs more CPU.",
        ),
        *panels.rpcs("health-aggregator"),
        *panels.postgres("health-aggregator"),
        *panels.process('job="health-aggregator"'),
    ),
)

SLO = Board(
    "slo",
    "Objectives",
    "How much of the 30 days' error budget is left, and how fast it is used.",
    (
        *(panel for objective in OBJECTIVES for panel in panels.objective(objective)),
        panels.requests_by_status(),
        panels.read_durations(),
    ),
)

BOARDS = (OVERVIEW, GATEWAY, AUTH, USERS, KNOWLEDGE, VOICE, AGGREGATOR, SLO)
