"""Reads the addresses of the services from the topology file that `make up` writes."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from health_aggregator.domain.errors import TargetsRefused

_NUMBER = re.compile(r"-\d+$")


def read_topology(path: Path) -> dict[str, Mapping[str, Any]]:
    """Returns the options of each service's target; none when there is no file.

    Raises:
        TargetsRefused: the file cannot be read, or has another format.
    """
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise TargetsRefused(path.name, f"cannot be read: {type(error).__name__}") from error
    except json.JSONDecodeError as error:
        raise TargetsRefused(path.name, f"is not JSON: {error.msg}", error.lineno) from error
    services = content.get("services") if isinstance(content, dict) else None
    if not isinstance(services, dict):
        raise TargetsRefused(path.name, 'has no object "services"', 1)
    return {name: _options(path, name, services[name]) for name in services if not _NUMBER.search(name)}


def _options(path: Path, name: str, service: object) -> Mapping[str, Any]:
    if isinstance(service, dict) and isinstance(service.get("http"), str):
        return {"url": readiness_url(service["http"].removeprefix("http://").rstrip("/"))}
    raise TargetsRefused(path.name, f'"{name}" has no address')


def readiness_url(address: str) -> str:
    """Returns where a service with HTTP at this `host:port` says whether it is ready."""
    return f"http://{address}/ready"


def metrics_addresses(path: Path) -> dict[str, list[str]]:
    """Returns the `host:port`s of each service's metrics; none when the file cannot be read.

    Further processes of a service have its name and a number, such as `gateway-2`.
    """
    found: dict[str, list[str]] = {}
    try:
        for name, service in json.loads(path.read_bytes())["services"].items():
            found.setdefault(_NUMBER.sub("", name), []).append(str(service["http"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return found
