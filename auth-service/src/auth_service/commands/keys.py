"""`python -m auth_service keys`: the signing keys, for operators."""

import asyncio
import sys
from datetime import UTC, datetime

from chassis.errors import ServiceError
from chassis.settings import load
from chassis.startup import StartupError

from auth_service.settings import KeySettings
from auth_service.wiring import keys


def rotate() -> int:
    """Publishes the next key; returns the exit status."""
    settings = load(KeySettings)
    try:
        rotation = asyncio.run(keys.rotate_key(settings))
    except (StartupError, ServiceError) as error:
        details = error.details if isinstance(error, ServiceError) else {}
        about = "".join(f" ({name} {value})" for name, value in details.items())
        print(f"keys rotate: nothing was done: {error}{about}", file=sys.stderr)
        return 1
    successor = rotation.successor
    print(f"{successor.kid} is published and signs from {_moment(successor.active_from)}")
    for key in rotation.ended:
        print(f"{key.kid} retires at {_moment(key.removed_from)}")
    return 0


def show() -> int:
    """Prints every key with its state and its times; returns the exit status."""
    settings = load(KeySettings)
    try:
        listed = asyncio.run(keys.list_keys(settings))
    except StartupError as error:
        print(f"keys list: {error}", file=sys.stderr)
        return 2
    now = datetime.now(UTC)
    row = "{:<43}  {:<9}  {:>9}  {:<20}  {:<20}  {:<20}".format
    print(row("KID", "STATE", "AGE_HOURS", "PUBLISHED", "ACTIVE", "REMOVED"))
    for key in listed:
        hours = f"{(now - key.published_at).total_seconds() / 3600:.1f}"
        times = (_moment(each) for each in (key.published_at, key.active_from, key.removed_from))
        print(row(key.kid, key.state, hours, *times))
    return 0


def _moment(at: datetime | None) -> str:
    return "-" if at is None else f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
