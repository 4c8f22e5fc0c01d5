"""The parts of a board, and panels that several boards share."""

from dataclasses import dataclass

from devstack import topology
from helm.objectives import READS, REQUESTS, WINDOWS, Objective

_NAMES = [topology.GATEWAY.name, *(each.name for each in topology.SERVICES if each is not topology.GATEWAY)]
SERVICES = f'job=~"{"|".join(_NAMES)}"'


@dataclass(frozen=True, slots=True)
class Query:
    """One query to Prometheus.

    Attributes:
        expression: In PromQL.
        legend: Name of each series; `{{label}}` is filled in.
    """

    expression: str
    legend: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One graph or number.

    Attributes:
        title: Its heading.
        unit: Grafana's name of the unit.
        queries: What it shows.
        meaning: How to read it.
        kind: `timeseries` or `stat`.
        limit: Value from which it is red.
        width: In columns of 24.
        height: In Grafana's rows.
    """

    title: str
    unit: str
    queries: tuple[Query, ...]
    meaning: str = ""
    kind: str = "timeseries"
    limit: float | None = None
    width: int = 12
    height: int = 8


@dataclass(frozen=True, slots=True)
class Board:
    """A page of panels.

    Attributes:
        name: Its file.
        title: Its heading.
        meaning: When to look at it.
        panels: From left to right, row by row.
    """

    name: str
    title: str
    meaning: str
    panels: tuple[Panel, ...]


def figure(title: str, unit: str, expression: str, *, meaning: str = "", limit: float | None = None) -> Panel:
    """Returns a single number."""
    return Panel(title, unit, (Query(expression, ""),), meaning, "stat", limit, width=4, height=4)


def lines(
    title: str, unit: str, *queries: tuple[str, str], meaning: str = "", limit: float | None = None
) -> Panel:
    """Returns a graph over time of (expression, legend) pairs."""
    return Panel(title, unit, tuple(Query(*each) for each in queries), meaning, limit=limit)


def quantiles(
    title: str, series: str, *, by: str = "", legend: str = "", shares: tuple[float, ...] = (0.5, 0.99)
) -> Panel:
    """Returns quantiles of a histogram in seconds, by a label where one is named."""
    name, brace, selector = series.partition("{")
    labels = f"le, {by}" if by else "le"
    rate = f"rate({name}_bucket{brace}{selector}[5m])"
    return lines(
        title,
        "s",
        *(
            (f"histogram_quantile({share}, sum by ({labels}) ({rate}))", f"{legend} p{share * 100:g}".strip())
            for share in shares
        ),
    )


def requests_by_status() -> Panel:
    """Returns the gateway's responses by status."""
    return lines(
        "Requests by status",
        "reqps",
        (f"sum by (status) (rate(http_server_requests_total{{{REQUESTS}}}[5m]))", "{{status}}"),
    )


def read_durations() -> Panel:
    """Returns the duration of reads at the gateway."""
    return quantiles("Duration of reads", f"http_server_request_duration_seconds{{{READS}}}")


def rpcs(job: str) -> tuple[Panel, ...]:
    """Returns rate, errors and duration of a service's RPCs."""
    return (
        lines(
            "Calls by method",
            "reqps",
            (f'sum by (method) (rate(grpc_server_handled_total{{job="{job}"}}[5m]))', "{{method}}"),
        ),
        lines(
            "Calls by status code",
            "reqps",
            (f'sum by (code) (rate(grpc_server_handled_total{{job="{job}"}}[5m]))', "{{code}}"),
            meaning="INTERNAL and UNKNOWN are faults of the service, UNAVAILABLE of what it needs.",
        ),
        quantiles(
            "Duration by method",
            f'grpc_server_handling_seconds{{job="{job}", method!~"Stream.*"}}',
            by="method",
            legend="{{method}}",
            shares=(0.99,),
        ),
    )


def postgres(job: str) -> tuple[Panel, ...]:
    """Returns the use of a service's pool."""
    return (
        lines(
            "Connections to Postgres",
            "short",
            (f'sum by (state) (postgres_pool_connections{{job="{job}"}})', "{{state}}"),
            (f'sum(postgres_pool_connections_max{{job="{job}"}})', "at most"),
            (f'sum(postgres_pool_waiting{{job="{job}"}})', "waiting"),
        ),
        lines(
            "Connections waited for in vain",
            "ops",
            (f'sum(rate(postgres_pool_refused_total{{job="{job}"}}[5m]))', "refused"),
            limit=0.01,
        ),
        quantiles("Waiting for a connection", f'postgres_pool_wait_seconds{{job="{job}"}}'),
    )


def events(job: str) -> tuple[Panel, ...]:
    """Returns the events that a service publishes and handles."""
    return (
        lines(
            "Oldest event in the outbox",
            "s",
            (f'max by (instance) (outbox_oldest_pending_seconds{{job="{job}"}})', "{{instance}}"),
            meaning="Normally zero. It grows while Redis or the relay is down.",
            limit=15,
        ),
        quantiles("From commit to stream", f'outbox_latency_seconds{{job="{job}"}}'),
        lines(
            "Events handled by type",
            "ops",
            (f'sum by (type) (rate(events_handled_total{{job="{job}"}}[5m]))', "{{type}}"),
        ),
        quantiles("From commit to handled", f'events_lag_seconds{{job="{job}"}}'),
        lines(
            "An event is tried again and again",
            "short",
            (f'max by (instance) (events_blocked{{job="{job}"}})', "{{instance}}"),
            limit=1,
        ),
        lines(
            "Dead letters",
            "short",
            (f'max(events_dead_letters{{job="{job}"}})', "that lie aside"),
            (
                f'sum by (type) (increase(events_dead_lettered_total{{job="{job}"}}[1h]))',
                "{{type}}, in an hour",
            ),
            meaning=f"Dead letters: `python -m {job.replace('-', '_')} events list`.",
            limit=1,
        ),
    )


def process(selector: str) -> tuple[Panel, ...]:
    """Returns the resources that processes use."""
    name = "{{job}} {{instance}}"
    return (
        lines(
            "Cores in use", "short", (f"rate(process_cpu_seconds_total{{{selector}}}[5m])", name), limit=0.9
        ),
        lines("Memory", "bytes", (f"process_resident_memory_bytes{{{selector}}}", name)),
        quantiles(
            "Delay of the event loop",
            f"event_loop_delay_seconds{{{selector}}}",
            by="job, instance",
            legend=name,
            shares=(0.99,),
        ),
        lines("Open files", "short", (f"process_open_fds{{{selector}}}", name)),
    )


def revocation(job: str) -> tuple[Panel, ...]:
    """Returns how up to date a process is with revocations."""
    one = f'job="{job}"'
    return (
        lines(
            "Since the event stream was read",
            "s",
            (f"max by (instance) (events_tail_silent_seconds{{{one}}})", "{{instance}}"),
            meaning="From 0.8 s on every token is introspected.",
            limit=5,
        ),
        quantiles("From commit to known here", f"events_tail_lag_seconds{{{one}}}"),
        lines(
            "Tokens introspected",
            "ops",
            (f"sum by (instance) (rate(tokens_introspected_total{{{one}}}[5m]))", "{{instance}}"),
            meaning="The first ones after a silence, and all while the stream cannot be followed.",
        ),
        lines(
            "Revocations in force",
            "short",
            (f"max by (instance) (revocations_in_force{{{one}}})", "{{instance}}"),
        ),
        lines(
            "Age of the verification keys",
            "s",
            (f"max by (instance) (verification_keys_age_seconds{{{one}}})", "{{instance}}"),
            limit=1800,
        ),
    )


def objective(promised: Objective) -> tuple[Panel, ...]:
    """Returns how much of an objective's error budget is left, and how fast it is used."""
    return (
        figure(
            f"{promised.alert}: budget left at the pace of 3 days",
            "percentunit",
            f"1 - {promised.record('3d')} / {promised.budget:g}",
            meaning=f"{promised.promise}, over 30 days. Below zero the objective is missed.",
        ),
        *(
            figure(
                f"{promised.alert}: bad answers, {window}",
                "percentunit",
                promised.record(window),
                meaning=promised.promise,
                limit=promised.budget,
            )
            for window in ("1h", "1d")
        ),
        lines(
            f"{promised.alert}: burn rate by window",
            "short",
            *((f"{promised.record(window)} / {promised.budget:g}", window) for window in WINDOWS),
            meaning="1 uses the budget of 30 days in 30 days; 14.4 over an hour fires a critical alert.",
            limit=1,
        ),
    )
