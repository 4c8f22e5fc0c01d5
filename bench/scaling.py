"""A small model of the system at a size that no one machine shows: unit costs in, pods and load out.

`python -m bench.scaling --requests 100000 --users 100000000`. The unit costs are measured ones
(docs/performance.md); the mix and the headroom are assumptions, each an argument. docs/scaling.md
has the conclusions.
"""

import argparse
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

_SECONDS_A_DAY = 86_400
_GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Costs:
    """Processor time of one of each, in microseconds, and bytes kept.

    Attributes:
        gateway_cached_us: Gateway, a cached read.
        gateway_call_us: Gateway, a call that goes on.
        service_us: A service, a read or small write.
        postgres_us: Postgres, the statements of one such call.
        hash_us: One Argon2id.
        revocation_bytes: A revocation in the memory of each process.
        session_bytes: A session in Postgres with its indexes.
        user_bytes: A user and a credential, with their indexes.
        audit_bytes: An audit entry with its indexes.
        event_us: A process, an event of the stream.
    """

    gateway_cached_us: float = 200
    gateway_call_us: float = 900
    service_us: float = 1_100
    postgres_us: float = 140
    hash_us: float = 33_000
    revocation_bytes: float = 300
    session_bytes: float = 700
    user_bytes: float = 1_200
    audit_bytes: float = 600
    event_us: float = 60


@dataclass(frozen=True, slots=True)
class Size:
    """The load of the system.

    Attributes:
        requests: Requests a second at the peak.
        users: Users who are registered.
        cached_share: Reads that the near cache answers.
        write_share: Requests that change something and so make an event.
        sign_ins_per_user_day: Passwords checked per user and day.
        peak: The peak over the mean of a day.
        busy: How much of a core is used at the peak.
        pool: Postgres connections of a pod.
    """

    requests: float = 100_000
    users: float = 100_000_000
    cached_share: float = 0.7
    write_share: float = 0.02
    sign_ins_per_user_day: float = 0.1
    peak: float = 3.0
    busy: float = 0.6
    pool: int = 10


def model(size: Size, costs: Costs) -> Mapping[str, str]:
    """Returns what is needed, by name, as text."""
    calls = size.requests * (1 - size.cached_share)
    sign_ins = size.users * size.sign_ins_per_user_day / _SECONDS_A_DAY * size.peak
    events = size.requests * size.write_share + sign_ins
    processes_us = 1e6 * size.busy

    def pods(used_us_a_second: float) -> int:
        """Pods of one core each, the events of the stream taken off each first."""
        left = processes_us - events * costs.event_us
        return math.ceil(used_us_a_second / left) if left > 0 else 0

    cached_us = size.requests * size.cached_share * costs.gateway_cached_us
    gateways = pods(cached_us + calls * costs.gateway_call_us)
    services = pods(calls * costs.service_us)
    hashers = math.ceil(sign_ins * costs.hash_us / processes_us)
    tails = gateways + services + hashers
    revocations = sign_ins * 900  # A quarter of an hour of sign-outs, as many as sign-ins.
    return {
        "gateway pods, a core each": _count(gateways),
        "user-service pods, a core each": _count(services),
        "auth-service cores for Argon2id": _count(hashers),
        "sign-ins a second": f"{sign_ins:,.0f}",
        "events a second on the stream": f"{events:,.0f}",
        "of each process's core, for the stream alone": f"{events * costs.event_us / 1e6:.0%}",
        "stream out of Redis, MB a second": f"{events * tails * 200 / 1e6:,.0f}",
        "Postgres cores": f"{calls * costs.postgres_us / processes_us:,.0f}",
        "Postgres connections without a pooler": f"{(services + hashers) * size.pool:,}",
        "users in Postgres, GiB": f"{size.users * costs.user_bytes / _GIB:,.0f}",
        "sessions in Postgres, GiB": f"{size.users * 0.5 * costs.session_bytes / _GIB:,.0f}",
        "audit a year, GiB": f"{events / size.peak * _SECONDS_A_DAY * 365 * costs.audit_bytes / _GIB:,.0f}",
        "audit entries a second through one chain": f"{events:,.0f}",
        "revocations in the memory of each process, MB": f"{revocations * costs.revocation_bytes / 1e6:,.0f}",
    }


def main() -> None:
    """Reads size and costs, and prints Markdown."""
    parser = argparse.ArgumentParser(prog="python -m bench.scaling", description=__doc__)
    for kind in (Size, Costs):
        for each in fields(kind):
            parser.add_argument(f"--{each.name.replace('_', '-')}", type=float, default=each.default)
    given = vars(parser.parse_args())
    size = Size(**{each.name: given[each.name] for each in fields(Size)})
    costs = Costs(**{each.name: given[each.name] for each in fields(Costs)})
    print(f"| at {size.requests:,.0f} requests/s and {size.users:,.0f} users | |\n|---|---|")
    for name, value in model(size, costs).items():
        print(f"| {name} | {value} |")


def _count(pods: int) -> str:
    return f"{pods:,}" if pods else "none would do: the stream alone takes their cores"


if __name__ == "__main__":
    main()
