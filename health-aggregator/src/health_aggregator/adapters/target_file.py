"""Reads targets and webhooks from the configuration file (`HEALTH_CONFIG`).

    [defaults]
    interval_seconds = 2

    [targets.search]
    kind = "http"
    url = "http://search:8080/ready"
    critical = true
    depends_on = ["postgres"]

    [[webhooks]]
    url = "https://example.org/hooks/health"
    secret_file = "/run/secrets/webhook"

Whatever is faulty is refused with its line; nothing of a faulty file is taken.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from health_aggregator.adapters.located import Located, read_located
from health_aggregator.domain.damping import DampingRules
from health_aggregator.domain.errors import TargetsRefused
from health_aggregator.domain.target import Cadence, Target

Test = Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where changes are sent.

    Attributes:
        url: Where to.
        secret: Key of the signature.
    """

    url: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the file says."""

    targets: tuple[Target, ...] = ()
    webhooks: tuple[Webhook, ...] = ()


@dataclass(frozen=True, slots=True)
class _Rule:
    test: Test
    expected: str


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_url(value: Any) -> bool:
    if not _is_text(value):
        return False
    try:
        parts = urlsplit(value)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False


def _is_address(value: Any) -> bool:
    host, _, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    return bool(host) and port.isascii() and port.isdigit() and 0 < int(port[:6]) <= 65535  # noqa: PLR2004


def _is_number(low: float, high: float) -> Test:
    return lambda value: type(value) in {int, float} and low <= value <= high


def _is_count(low: int, high: int) -> Test:
    return lambda value: type(value) is int and low <= value <= high


_TEXT = _Rule(_is_text, "a text")
_FILE = _Rule(lambda value: _is_text(value) and Path(value).is_file(), "the path of a file that is there")
_URL = _Rule(_is_url, "a URL such as http://host:8080/ready")
_ADDRESS = _Rule(_is_address, "host:port")
_FLAG = _Rule(lambda value: isinstance(value, bool), "true or false")
_NAMES = _Rule(lambda value: isinstance(value, list) and all(map(_is_text, value)), "a list of names")
_CADENCE = {
    "interval_seconds": _Rule(_is_number(0.1, 3600), "seconds from 0.1 to 3600"),
    "timeout_seconds": _Rule(_is_number(0.01, 60), "seconds from 0.01 to 60"),
    "confirm_seconds": _Rule(_is_number(0.01, 60), "seconds from 0.01 to 60"),
    "backoff_limit": _Rule(_is_number(1, 100), "a number from 1 to 100"),
}
_DAMPING = {
    "failures_to_down": _Rule(_is_count(2, 20), "a whole number from 2 to 20"),
    "successes_to_up": _Rule(_is_count(1, 20), "a whole number from 1 to 20"),
}
_COMMON = {"kind": _TEXT, "critical": _FLAG, "enabled": _FLAG, "depends_on": _NAMES, **_CADENCE, **_DAMPING}
_KINDS: Mapping[str, Mapping[str, _Rule]] = {
    "grpc": {"address": _ADDRESS, "service": _TEXT, "tls": _FLAG, "ca_file": _FILE},
    "http": {"url": _URL, "ca_file": _FILE},
    "postgres": {"url": _TEXT},
    "redis": {"url": _TEXT},
    "qdrant": {"url": _URL, "api_key": _TEXT, "collections": _NAMES},
    "nextcloud": {"url": _URL, "ca_file": _FILE},
    "tls": {
        "address": _ADDRESS,
        "server_name": _TEXT,
        "ca_file": _FILE,
        "warn_days": _Rule(_is_number(0, 3650), "days from 0 to 3650"),
    },
    "kubernetes": {
        "selector": _TEXT,
        "service": _TEXT,
        "wanted": _Rule(_is_count(1, 10_000), "a whole number from 1 on"),
    },
}
_NEEDED = {"grpc": "address", "tls": "address", "kubernetes": "selector"}
# Secrets may stand in files of their own, which a Secret volume can hold.
_FROM_FILES = frozenset({"url", "api_key", "secret"})


def read_configuration(path: Path) -> Configuration:
    """Returns what the file says.

    Raises:
        TargetsRefused: the file is faulty; names the line.
    """
    return _Reader(path.name).read(read_located(path))


class _Reader:
    def __init__(self, source: str) -> None:
        self._source = source

    def read(self, root: Located) -> Configuration:
        content = self._table(root, {"defaults", "targets", "webhooks"})
        defaults = content.get("defaults", Located({}, 1))
        rules = {**_CADENCE, **_DAMPING}
        base = self._values(self._table(defaults, set(rules)), rules)
        targets = self._table(content.get("targets", Located({}, 1)))
        hooks = content.get("webhooks", Located([], 1))
        if not isinstance(hooks.value, list):
            raise self._refuse(hooks, "webhooks: expected a list of tables, [[webhooks]]")
        return Configuration(
            tuple(self._target(name, target, base) for name, target in targets.items()),
            tuple(self._webhook(hook) for hook in hooks.value),
        )

    def _target(self, name: str, located: Located, base: Mapping[str, Any]) -> Target:
        content = self._table(located)
        if "kind" not in content:
            raise self._refuse(located, f'"{name}" has no kind; one of {", ".join(_KINDS)}')
        kind = content["kind"].value
        if kind not in _KINDS:
            raise self._refuse(content["kind"], f'"{kind}" is no kind; one of {", ".join(_KINDS)}')
        rules = {**_COMMON, **_KINDS[kind]}
        content = self._files(content, rules)
        self._table(located, {*rules, *(f"{option}_file" for option in rules if option in _FROM_FILES)})
        values = {**base, **self._values(content, rules)}
        needed = _NEEDED.get(kind, "url")
        if needed not in values:
            raise self._refuse(located, f'"{name}" is of kind {kind} and has no {needed}')
        return Target(
            name=name,
            kind=kind,
            critical=values.get("critical", False),
            depends_on=tuple(values.get("depends_on", ())),
            enabled=values.get("enabled", True),
            cadence=Cadence(**{option: float(values[option]) for option in _CADENCE if option in values}),
            damping=DampingRules(**{option: values[option] for option in _DAMPING if option in values}),
            options={option: values[option] for option in _KINDS[kind] if option in values},
        )

    def _webhook(self, located: Located) -> Webhook:
        rules = {"url": _URL, "secret": _TEXT}
        self._table(located, {"url", "url_file", "secret", "secret_file"})
        values = self._values(self._files(self._table(located), rules), rules)
        if set(values) != set(rules):
            raise self._refuse(located, "a webhook needs url and secret, or url_file and secret_file")
        return Webhook(values["url"], values["secret"])

    def _files(self, content: Mapping[str, Located], rules: Mapping[str, _Rule]) -> dict[str, Located]:
        merged = dict(content)
        for option in _FROM_FILES & set(rules):
            located = merged.pop(f"{option}_file", None)
            if located is None:
                continue
            if not _is_text(located.value):
                raise self._refuse(located, f"{option}_file: expected the path of a file")
            try:
                text = Path(located.value).read_text("utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise self._refuse(located, f"{option}_file: cannot be read") from error
            merged[option] = Located(text, located.line)
        return merged

    def _values(self, content: Mapping[str, Located], rules: Mapping[str, _Rule]) -> dict[str, Any]:
        values = {}
        for name, located in content.items():
            if name not in rules:
                continue
            values[name] = located.plain()
            if not rules[name].test(values[name]):
                raise self._refuse(located, f"{name}: expected {rules[name].expected}")
        return values

    def _table(self, located: Located, allowed: set[str] | None = None) -> Mapping[str, Located]:
        if not isinstance(located.value, dict):
            raise self._refuse(located, "expected a table of names and values")
        content: Mapping[str, Located] = located.value
        for name, value in content.items():
            if allowed is not None and name not in allowed:
                raise self._refuse(value, f'"{name}" is not known here; one of {", ".join(sorted(allowed))}')
        return content

    def _refuse(self, located: Located, problem: str) -> TargetsRefused:
        return TargetsRefused(self._source, problem, located.line)
