"""`python -m auth_service keys`: the signing keys, for operators."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from chassis.errors import ServiceError
from chassis.settings import load
from chassis.startup_errors import StartupError, sentence

from auth_service.settings import KeySettings
from auth_service.wiring import commands


def main(arguments: Sequence[str]) -> int:
    """Runs `keys list`, `rotate` or `reseal` and returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m auth_service keys", description=__doc__)
    actions = parser.add_subparsers(dest="action", metavar="action", required=True)
    actions.add_parser("list", help="every key with its state and its times")
    actions.add_parser("rotate", help="publish the next key, which signs when every verifier can know it")
    actions.add_parser(
        "reseal", help="seal again with AUTH_MASTER_KEY; exit status 1 while another one is still needed"
    )
    action = parser.parse_args(arguments).action
    return {"list": show, "rotate": rotate, "reseal": reseal}[action]()


def rotate() -> int:
    """Publishes the next key; returns the exit status."""
    settings = load(KeySettings)
    try:
        rotation = asyncio.run(commands.rotate_key(settings))
    except (StartupError, ServiceError) as error:
        details = error.details if isinstance(error, ServiceError) else {}
        about = "".join(f" ({name} {value})" for name, value in details.items())
        print(f"keys rotate: nothing was done: {sentence(error)}{about}", file=sys.stderr)
        return 1
    successor = rotation.successor
    print(f"{successor.kid} is published and signs from {_moment(successor.active_from)}")
    for key in rotation.ended:
        print(f"{key.kid} retires at {_moment(key.removed_from)}")
    return 0


def reseal() -> int:
    """Makes again what can be made with the master key of today, and prints what is left.

    Returns:
        The exit status: 0 when keys before it can be dropped, 1 when not yet, 2 when that is unknown.
    """
    settings = load(KeySettings)
    try:
        report = asyncio.run(commands.reseal(settings))
    except (StartupError, ServiceError) as error:
        print(f"keys reseal: {sentence(error)}", file=sys.stderr)
        return 2
    print(f"{report.resealed} rows were sealed again with AUTH_MASTER_KEY")
    if report.since is None:
        print("AUTH_MASTER_KEY was not written with yet: start auth-service with it")
    elif report.is_mixed:
        print(f"a process wrote with another key lately; ask again after {_moment(report.since)}")
    else:
        print(
            f"only AUTH_MASTER_KEY is written with since {_moment(report.since)}; from before then there are"
        )
    row = "{:<16}  {:>7}  {:<20}".format
    print(row("WHAT", "COUNT", "LAST_ENDS"))
    for each in report.remainders:
        print(row(each.what, each.count, _moment(each.until)))
    print("the key before " + ("can be dropped" if report.is_done else "is still needed"))
    return 0 if report.is_done else 1


def show() -> int:
    """Prints every key with its state and its times; returns the exit status."""
    settings = load(KeySettings)
    try:
        listed = asyncio.run(commands.list_keys(settings))
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
