"""The boards: what an operator looks at, from the whole house down to one service."""

from helm import panels
from helm.objectives import OBJECTIVES, READS, REQUESTS
from helm.panels import HOUSE, Board, figure, lines, quantiles

HITS = 'sum(rate(gateway_cache_lookups_total{outcome="hit"}[5m]))'
TROUBLE = 'state=~"suspect|down|recovering|flapping|stale"'

OVERVIEW = Board(
    "overview",
    "Overview",
    "Look here first: what people see, and which service it comes from.",
    (
        figure(
            "System",
            "short",
            'max(health_system_status{status="healthy"})',
            meaning="1 while all is healthy.",
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
            "Instances away",
            "short",
            f"count(up{{{HOUSE}}}) - sum(up{{{HOUSE}}})",
            limit=1,
        ),
        figure("Oldest event", "s", "max(outbox_oldest_pending_seconds)", limit=15),
        panels.requests_by_status(),
        panels.read_durations(),
        lines(
            "Calls by service",
            "reqps",
            (f"sum by (job) (rate(grpc_server_handled_total{{{HOUSE}}}[5m]))", "{{job}}"),
        ),
        quantiles(
            "Calls, p99 by service",
            f'grpc_server_handling_seconds{{{HOUSE}, method!~"Stream.*"}}',
            by="job",
            legend="{{job}}",
            shares=(0.99,),
        ),
        lines("Instances that answer", "short", ("vestibule:instances:up", "{{job}}")),
        lines(
            "Versions",
            "short",
            ("count by (service, version) (vestibule_build_info)", "{{service}} {{version}}"),
            meaning="Two versions of one service side by side are a roll-out.",
        ),
        *panels.process(HOUSE),
    ),
)

GATEWAY = Board(
    "gateway",
    "Gateway",
    "Which route is slow, refused or failing, and what the gateway has in memory.",
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
            meaning="A wave of 401 or 429 is somebody who tries passwords or calls too often.",
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
            "Near cache, answers dropped by events",
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
            meaning="After each the revocations are fetched from auth-service anew.",
        ),
        *panels.revocation("gateway"),
        lines(
            "Requests being answered",
            "short",
            ("sum by (instance) (http_server_active_requests)", "{{instance}}"),
        ),
        lines(
            "Answers in the near cache",
            "short",
            ("sum by (instance) (gateway_cache_entries)", "{{instance}}"),
        ),
        lines(
            "Rate limits counted in memory",
            "short",
            ("max by (instance) (gateway_rate_limits_in_memory)", "{{instance}}"),
            meaning="1 while Redis is away and each gateway counts for itself.",
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
            ("sum by (instance) (auth_hashing_jobs_max)", "room at {{instance}}"),
            meaning="More than the threads means that sign-ins wait; beyond the room they are refused.",
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
            ("time() - max(health_audit_witness_timestamp_seconds)", "since it was held against its witness"),
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
    "People: reads, changes, events and the pool.",
    (
        *panels.rpcs("user-service"),
        *panels.events("user-service"),
        *panels.revocation("user-service"),
        *panels.postgres("user-service"),
        *panels.process('job="user-service"'),
    ),
)

AGGREGATOR = Board(
    "aggregator",
    "Health aggregator",
    "What the house thinks of itself, and whether the observer can be believed.",
    (
        figure("Healthy", "short", 'max(health_system_status{status="healthy"})'),
        figure("Degraded", "short", 'max(health_system_status{status="degraded"})', limit=1),
        figure("Unhealthy", "short", 'max(health_system_status{status="unhealthy"})', limit=1),
        figure("Cut off", "short", "max(health_observer_cut_off)", limit=1),
        lines(
            "Components that are not up",
            "short",
            (
                f"max by (component, state) (health_component_state{{{TROUBLE}}})",
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
            "Results not believed",
            "ops",
            ("sum(rate(health_checks_discarded_total[5m]))", "discarded"),
            meaning="The process itself had slept: its core is too small.",
        ),
        *panels.rpcs("health-aggregator"),
        *panels.postgres("health-aggregator"),
        *panels.process('job="health-aggregator"'),
    ),
)

SLO = Board(
    "slo",
    "Objectives",
    "How much of the month's error budget is left, and how fast it goes.",
    (
        *(panel for objective in OBJECTIVES for panel in panels.objective(objective)),
        panels.requests_by_status(),
        panels.read_durations(),
    ),
)

BOARDS = (OVERVIEW, GATEWAY, AUTH, USERS, AGGREGATOR, SLO)
